using JobLocking;
using Quartz;

namespace WorkerHost.Jobs;

/// <summary>
/// A Quartz job under the same lock as <see cref="LedgerImport"/>. Neither can stand in for the other, so whoever comes
/// second is deferred, while a second export beside a running one is skipped.
/// </summary>
[TaskLock("ledger", Expire = 10)]
internal sealed class LedgerExport(Journal journal) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        await journal.RecordAsync("ledger", () => Task.Delay(TimeSpan.FromMilliseconds(500), cancellationToken));
}
