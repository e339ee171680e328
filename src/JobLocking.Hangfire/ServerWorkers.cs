using System.Collections.Concurrent;
using Hangfire.Server;
using JobLocking.Stores;

namespace JobLocking.Hangfire;

/// <summary>The workers of each server, as many as it has announced to its storage; that is asked once for each server.</summary>
internal sealed class ServerWorkers
{
    private readonly ConcurrentDictionary<string, LockWorkers> _known = new(StringComparer.Ordinal);

    public LockWorkers Of(PerformContext context) =>
        _known.TryGetValue(context.ServerId ?? "", out LockWorkers? known) ? known : _known.GetOrAdd(context.ServerId ?? "", new LockWorkers(Count(context)));

    private static int Count(PerformContext context)
    {
        try
        {
            if (context.Storage?.GetMonitoringApi().Servers().FirstOrDefault(server => server.Name == context.ServerId)?.WorkersCount is { } announced)
            {
                return announced;
            }
        }
        catch (Exception)
        {
            // A fault of the storage must not fail the job: a guess will do.
        }

        return Math.Min(Environment.ProcessorCount * 5, 20); // What Hangfire takes by default.
    }
}
