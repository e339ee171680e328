using JobLocking.Stores;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>The number of threads of one scheduler. Read once.</summary>
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
            // A fault of the scheduler's store must not fail the firing. A guess is good enough.
        }

        LockWorkers asked = new(count);
        return Interlocked.CompareExchange(ref _known, asked, null) ?? asked;
    }
}
