using System.Collections.Concurrent;

namespace JobLocking.Quartz;

/// <summary>Runs the checks of all schedulers that have been created, when the host starts.</summary>
internal sealed class StartChecks
{
    private readonly ConcurrentQueue<StartCheck> _checks = [];

    /// <summary>The names of the schedulers.</summary>
    public IReadOnlySet<string> Schedulers => _checks.Select(check => check.Scheduler).ToHashSet(StringComparer.OrdinalIgnoreCase);

    public void Add(StartCheck check) => _checks.Enqueue(check);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (StartCheck check in _checks)
        {
            await check.Start(cancellationToken).ConfigureAwait(false);
        }
    }
}
