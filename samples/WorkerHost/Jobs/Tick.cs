using JobLocking;
using Quartz;

namespace WorkerHost.Jobs;

/// <summary>
/// So short that the first node has long ended when the clock of the last one reaches the fire time: a plain lock would
/// be free again by then.
/// </summary>
[TaskLock("tick", Expire = 10, OncePerOccurrence = true)]
internal sealed class Tick(Journal journal) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        await journal.RecordAsync("tick", () => Task.Delay(Random.Shared.Next(1, 6), cancellationToken), context.GetOriginalFireTimeUtc());
}
