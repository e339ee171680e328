using JobLocking;

namespace WorkerHost.Jobs;

/// <summary>
/// A recurring Hangfire job that is slower than its schedule. Executions that become due during a run are skipped, and appear as
/// Deleted in the dashboard.
/// </summary>
internal sealed class SearchIndex(Journal journal, ITaskLeaseAccessor lease)
{
    [TaskLock("search-index", Expire = 10)]
    public async Task Refresh(CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Required.Lost);
        await journal.RecordAsync("search-index", () => Task.Delay(TimeSpan.FromSeconds(3), stop.Token));
    }
}
