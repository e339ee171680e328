using System.Collections.Concurrent;

namespace JobLocking.Quartz;

/// <summary>The checks of the schedulers that have been created, for the start of the host.</summary>
internal sealed class SchedulerChecks
{
    private readonly ConcurrentQueue<CheckPlugin> _checks = [];

    /// <summary>The names of the schedulers.</summary>
    public IReadOnlySet<string> Schedulers => _checks.Select(check => check.Scheduler).ToHashSet(StringComparer.OrdinalIgnoreCase);

    public void Add(CheckPlugin check) => _checks.Enqueue(check);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (CheckPlugin check in _checks)
        {
            await check.Start(cancellationToken).ConfigureAwait(false);
        }
    }
}
