using System.Collections.Concurrent;
using Hangfire;
using Hangfire.Storage.Monitoring;
using JobLocking.Stores;

namespace JobLocking.Hangfire;

/// <summary>The number of workers of each server, as the server has announced it to its storage. Read once for each server.</summary>
internal sealed class ServerWorkers
{
    private readonly ConcurrentDictionary<string, LockWorkers> _known = new(StringComparer.Ordinal);

    public LockWorkers Of(JobStorage? storage, string? serverId) =>
        _known.TryGetValue(serverId ?? "", out LockWorkers? known)
            ? known
            : _known.GetOrAdd(serverId ?? "", new LockWorkers(Count(storage, serverId)));

    private static int Count(JobStorage? storage, string? serverId)
    {
        try
        {
            ServerDto? server = storage?.GetMonitoringApi().Servers().FirstOrDefault(server => server.Name == serverId);
            if (server is not null)
            {
                return server.WorkersCount;
            }
        }
        catch (Exception)
        {
            // A fault of the storage must not fail the job. A guess is good enough.
        }

        return Math.Min(Environment.ProcessorCount * 5, 20); // Hangfire's default.
    }
}
