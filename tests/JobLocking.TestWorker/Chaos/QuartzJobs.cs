using Quartz;

namespace JobLocking.TestWorker.Chaos;

/// <summary>The jobs of <see cref="QuartzChaosWorker"/>, one of each kind. All leases last 2 seconds.</summary>
internal static class QuartzJobs
{
    /// <summary>One run for each scheduled time, in the whole cluster.</summary>
    public const string Once = "once";

    /// <summary>Skipped if the lock is taken.</summary>
    public const string Skip = "skip";

    /// <summary>Deferred if the lock is taken. Some runs fail by themselves.</summary>
    public const string Defer = "defer";

    /// <summary>Two at once, the others deferred.</summary>
    public const string Shared = "shared";

    public const int SharedLimit = 2;

    public static readonly IReadOnlyDictionary<string, Type> All = new Dictionary<string, Type>
    {
        [Once] = typeof(OnceJob),
        [Skip] = typeof(SkipJob),
        [Defer] = typeof(DeferJob),
        [Shared] = typeof(SharedJob),
    };

    private static bool Happens(int oneIn) => Random.Shared.Next(oneIn) == 0;

    // Deferred, since Auto would skip a scheduled time while the run for the previous one continues.
    [TaskLock(Once, Expire = 2, OncePerOccurrence = OncePerOccurrence.Always, OnConflict = LockConflict.Defer, DeferBy = 1)]
    internal sealed class OnceJob(QuartzReporter reporter, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, lease.Required, Random.Shared.Next(50, 1000), fails: false, cancellationToken);
    }

    [TaskLock(Skip, Expire = 2, OncePerOccurrence = OncePerOccurrence.Never, OnConflict = LockConflict.Skip)]
    internal sealed class SkipJob(QuartzReporter reporter, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, lease.Required, Random.Shared.Next(50, 1000), fails: false, cancellationToken);
    }

    [TaskLock(Defer, Expire = 2, OncePerOccurrence = OncePerOccurrence.Never, OnConflict = LockConflict.Defer, DeferBy = 1)]
    internal sealed class DeferJob(QuartzReporter reporter, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, lease.Required, Random.Shared.Next(50, 500), fails: Happens(3), cancellationToken);
    }

    [TaskLock(Shared, Expire = 2, Limit = SharedLimit, OnConflict = LockConflict.Defer, DeferBy = 1)]
    internal sealed class SharedJob(QuartzReporter reporter, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, lease.Required, Random.Shared.Next(50, 1000), fails: false, cancellationToken);
    }
}
