using JobLocking.Stores;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>What does not change while a scheduler lives.</summary>
/// <param name="Workers">Its threads.</param>
/// <param name="IsClustered">Whether its store makes one firing of each fire time for all nodes.</param>
internal sealed record SchedulerFacts(LockWorkers Workers, bool IsClustered)
{
    public static async ValueTask<SchedulerFacts> OfAsync(IScheduler scheduler)
    {
        SchedulerMetadata metadata = await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false);
        return new SchedulerFacts(new LockWorkers(metadata.ThreadPoolSize), metadata.JobStoreClustered);
    }

    /// <summary>The facts of one scheduler, read once.</summary>
    internal sealed class Cache
    {
        private volatile SchedulerFacts? _known;

        public ValueTask<SchedulerFacts> OfAsync(IScheduler scheduler) => _known is { } known ? new(known) : ReadAsync(scheduler);

        private async ValueTask<SchedulerFacts> ReadAsync(IScheduler scheduler)
        {
            try
            {
                SchedulerFacts read = await SchedulerFacts.OfAsync(scheduler).ConfigureAwait(false);
                return Interlocked.CompareExchange(ref _known, read, null) ?? read;
            }
            catch (Exception)
            {
                // A fault of the scheduler's store must not fail the firing. A mark too many does no harm.
                return new SchedulerFacts(new LockWorkers(ThreadPoolOptions.DefaultMaxConcurrency), IsClustered: false);
            }
        }
    }
}
