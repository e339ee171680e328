using JobLocking;

namespace WorkerHost.Jobs;

/// <summary>A Hangfire job that writes the ledger, as <see cref="LedgerExport"/> does: the lock's name is what they have in common.</summary>
internal sealed class LedgerImport(Journal journal)
{
    [TaskLock("ledger", Expire = 10)]
    public Task Run(CancellationToken cancellationToken) =>
        journal.RecordAsync("ledger", () => Task.Delay(TimeSpan.FromMilliseconds(500), cancellationToken));
}
