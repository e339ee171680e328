using JobLocking;

namespace WorkerHost.Jobs;

/// <summary>A Hangfire job that writes the ledger, like <see cref="LedgerExport"/>. Both use the same lock name.</summary>
internal sealed class LedgerImport(Journal journal)
{
    [TaskLock("ledger", Expire = 10)]
    public Task Run(CancellationToken cancellationToken) =>
        journal.RecordAsync("ledger", () => Task.Delay(TimeSpan.FromMilliseconds(500), cancellationToken));
}
