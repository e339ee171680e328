using JobLocking;
using Quartz;

namespace WorkerHost.Jobs;

/// <summary>
/// A Quartz job with the same lock as <see cref="LedgerImport"/>. Neither can replace the other, so the second one is deferred.
/// A second export during a running one is skipped.
/// </summary>
[TaskLock("ledger", Expire = 10)]
internal sealed class LedgerExport(Journal journal) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        await journal.RecordAsync("ledger", () => Task.Delay(TimeSpan.FromMilliseconds(500), cancellationToken));
}
