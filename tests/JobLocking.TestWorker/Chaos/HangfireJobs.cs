using Hangfire.Server;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// The jobs that are enqueued, one method for each way to use a lock. The name of a method is that of its lock. Times are in seconds.
/// </summary>
public sealed class HangfireJobs(IServiceProvider services, ITaskLeaseAccessor lease)
{
    internal const int SharedLimit = 2;

    internal static IReadOnlyList<string> Names { get; } = [nameof(Defer), nameof(Skip), nameof(Shared), nameof(Wait)];

    /// <summary>Deferred if the lock is taken. Some runs fail by themselves.</summary>
    [TaskLock(nameof(Defer), Expire = 2, DeferBy = 1)]
    public Task Defer(int number, PerformContext? context, CancellationToken cancellationToken) => RunAsync(number, context, longest: 200, fails: Random.Shared.Next(4) == 0, cancellationToken);

    /// <summary>Skipped if the lock is taken.</summary>
    [TaskLock(nameof(Skip), Expire = 2, OnConflict = LockConflict.Skip, DeferBy = 1)]
    public Task Skip(int number, PerformContext? context, CancellationToken cancellationToken) => RunAsync(number, context, longest: 900, fails: false, cancellationToken);

    /// <summary>Two at once, the others deferred.</summary>
    [TaskLock(nameof(Shared), Expire = 2, Limit = SharedLimit, DeferBy = 1)]
    public Task Shared(int number, PerformContext? context, CancellationToken cancellationToken) => RunAsync(number, context, longest: 400, fails: false, cancellationToken);

    /// <summary>Waits for a while if the lock is taken, and is deferred then.</summary>
    [TaskLock(nameof(Wait), Expire = 2, Wait = 1, DeferBy = 1)]
    public Task Wait(int number, PerformContext? context, CancellationToken cancellationToken) => RunAsync(number, context, longest: 200, fails: false, cancellationToken);

    private Task RunAsync(int number, PerformContext? context, int longest, bool fails, CancellationToken cancellationToken)
    {
        HangfireReporter reporter = (HangfireReporter)services.GetService(typeof(HangfireReporter))!;
        return reporter.RunAsync(number, context!, lease.Required, Random.Shared.Next(50, longest), fails, cancellationToken);
    }
}
