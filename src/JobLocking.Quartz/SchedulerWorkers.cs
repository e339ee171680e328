using JobLocking.Stores;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>The threads of one scheduler, which is asked once how many it has.</summary>
internal sealed class SchedulerWorkers
{
    private volatile LockWorkers? _known;

    public ValueTask<LockWorkers> OfAsync(IScheduler scheduler) => _known is { } known ? new(known) : AskAsync(scheduler);

    private async ValueTask<LockWorkers> AskAsync(IScheduler scheduler)
    {
        int count = ThreadPoolOptions.DefaultMaxConcurrency;
        try
        {
            count = (await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false)).ThreadPoolSize;
        }
        catch (Exception)
        {
            // A fault of the scheduler's store must not fail the firing: a guess will do.
        }

        LockWorkers asked = new(count);
        return Interlocked.CompareExchange(ref _known, asked, null) ?? asked;
    }
}
