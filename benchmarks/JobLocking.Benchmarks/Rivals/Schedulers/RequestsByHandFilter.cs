using Hangfire.Common;
using Hangfire.Server;
using JobLocking.Benchmarks.Rivals.Locks.Clients;
using JobLocking.Hangfire;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>
/// The round trips that a worker waits for, with the client's synchronous calls, the fastest way that blocks a thread: whether the job was
/// deferred before, whether it recurs, the lock's acquire and its release; or two plain commands instead of the last two.
/// </summary>
internal sealed class RequestsByHandFilter(IDatabase database, string prefix) : IServerFilter
{
    private const string Item = "release";

    public void OnPerforming(PerformingContext context)
    {
        Job job = context.BackgroundJob.Job;
        if (job.Method.Name is not (nameof(UncontendedHangfireJobs.RunByHand) or nameof(UncontendedHangfireJobs.RunPlainByHand)))
        {
            return;
        }

        context.GetJobParameter<string?>(AttemptRecord.Parameter, allowStale: true);
        context.GetJobParameter<string?>("RecurringJobId", allowStale: true);
        string name = $"rival:{job.Args[0]}";
        context.Items[Item] = job.Method.Name == nameof(UncontendedHangfireJobs.RunPlainByHand) ? TakePlain(prefix + name) : Take(name);
    }

    public void OnPerformed(PerformedContext context)
    {
        if (context.Items.TryGetValue(Item, out object? release))
        {
            ((Action)release)();
        }
    }

    private Action Take(string name)
    {
        RawLock one = new(database, prefix, name, byHash: true);
        ILockClient.Expect(RawLock.IsGranted(one.Acquire()), isFree: true);
        return one.Release;
    }

    private Action TakePlain(string key)
    {
        ILockClient.Expect(database.StringSet(key, "taken", ILockClient.Expiry, When.NotExists), isFree: true);
        return () => database.KeyDelete(key);
    }
}
