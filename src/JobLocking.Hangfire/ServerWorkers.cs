using System.Collections.Concurrent;
using Hangfire.Server;
using Hangfire.Storage.Monitoring;
using JobLocking.Stores;

namespace JobLocking.Hangfire;

/// <summary>The number of workers of each server, as the server has announced it to its storage. Read once for each server.</summary>
internal sealed class ServerWorkers
{
    private readonly ConcurrentDictionary<string, LockWorkers> _known = new(StringComparer.Ordinal);

    public LockWorkers Of(PerformContext context) =>
        _known.TryGetValue(context.ServerId ?? "", out LockWorkers? known)
            ? known
            : _known.GetOrAdd(context.ServerId ?? "", new LockWorkers(Count(context)));

    private static int Count(PerformContext context)
    {
        try
        {
            ServerDto? server = context.Storage?.GetMonitoringApi().Servers().FirstOrDefault(server => server.Name == context.ServerId);
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
