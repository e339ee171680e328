using JobLocking;
using Quartz;

namespace WorkerHost.Jobs;

/// <summary>
/// A job that every node fires at the same times, and that is slower than its schedule. While one node runs it, the others skip it.
/// </summary>
[TaskLock("nightly-report", Expire = 10)]
internal sealed class NightlyReport(Journal journal, ITaskLeaseAccessor lease) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        await journal.RecordAsync("nightly-report", () => Task.Delay(TimeSpan.FromSeconds(3), lease.Required.Lost));
}
