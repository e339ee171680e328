using Quartz;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>A job that does nothing, under a lock of its own name each time, or under none.</summary>
internal class UncontendedQuartzJob(Timelines timelines) : IJob
{
    public const string Number = "job";

    /// <summary>Also with the lock taken by hand.</summary>
    public const string LockName = $"rival:{{{Number}}}";

    public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        int job = NumberOf(context);
        timelines.Current.Begin(job);
        timelines.Current.End(job);
        return ValueTask.CompletedTask;
    }

    public static int NumberOf(IJobExecutionContext context) => (int)context.MergedJobDataMap[Number]!;

    /// <summary>Under the lock that <see cref="LockByHandMiddleware"/> takes.</summary>
    internal sealed class ByHand(Timelines timelines) : UncontendedQuartzJob(timelines);

    [DisallowConcurrentExecution]
    internal sealed class Disallowed(Timelines timelines) : UncontendedQuartzJob(timelines);

    [TaskLock(LockName)]
    internal sealed class Locked(Timelines timelines) : UncontendedQuartzJob(timelines);
}
