using JobLocking;
using Quartz;

namespace WorkerHost.Jobs;

/// <summary>
/// A job so short that the first node's run has ended long before the clock of the last node reaches the fire time. A plain lock
/// would be free again by then.
/// </summary>
[TaskLock("tick", Expire = 10)]
internal sealed class Tick(Journal journal) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        await journal.RecordAsync("tick", () => Task.Delay(Random.Shared.Next(1, 6), cancellationToken), context.GetOriginalFireTimeUtc());
}
