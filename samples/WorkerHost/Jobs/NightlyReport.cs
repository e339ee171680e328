using JobLocking;
using Quartz;

namespace WorkerHost.Jobs;

/// <summary>Fired by every node at the same times, and slower than its schedule: while one node is at it, the others skip.</summary>
[TaskLock("nightly-report", Expire = 10)]
internal sealed class NightlyReport(Journal journal, ITaskLeaseAccessor lease) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        await journal.RecordAsync("nightly-report", () => Task.Delay(TimeSpan.FromSeconds(3), lease.Required.Lost));
}
