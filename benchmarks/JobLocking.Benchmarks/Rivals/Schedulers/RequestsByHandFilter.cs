using Hangfire.Common;
using Hangfire.Server;
using JobLocking.Benchmarks.Rivals.Locks.Clients;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// What a lock on this Redis that fences and queues costs a job at the very least: its scripts, with the client's synchronous
/// calls, which nothing that blocks a thread can be faster than.
/// </summary>
internal sealed class RequestsByHandFilter(IDatabase database, string prefix, bool asksStorage) : IServerFilter
{
    private const string Item = "lock";

    public void OnPerforming(PerformingContext context)
    {
        Job job = context.BackgroundJob.Job;
        if (job.Method.Name != nameof(UncontendedHangfireJobs.RunByHand))
        {
            return;
        }

        if (asksStorage)
        {
            context.GetJobParameter<string?>("JobLocking.Attempt", allowStale: true);
            context.GetJobParameter<string?>("RecurringJobId", allowStale: true);
        }

        RawLock one = new(database, prefix, $"rival:{job.Args[0]}", byHash: true);
        ILockClient.Expect(RawLock.IsGranted(one.Acquire()), isFree: true);
        context.Items[Item] = one;
    }

    public void OnPerformed(PerformedContext context)
    {
        if (context.Items.TryGetValue(Item, out object? one))
        {
            ((RawLock)one).Release();
        }
    }
}
