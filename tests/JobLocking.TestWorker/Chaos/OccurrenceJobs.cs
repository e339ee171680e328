using Quartz;

namespace JobLocking.TestWorker.Chaos;

/// <summary>The jobs of <see cref="OccurrenceWorker"/>, named by their locks. All fire once a second.</summary>
internal static class OccurrenceJobs
{
    /// <summary>Shorter than the interval, as short as a job can be.</summary>
    public const string Brief = "brief";

    /// <summary>Shorter than the interval.</summary>
    public const string Short = "short";

    /// <summary>Longer than the interval.</summary>
    public const string Longer = "longer";

    /// <summary>As <see cref="Brief"/>, and no occurrence may be skipped.</summary>
    public const string EachBrief = "each-brief";

    /// <summary>As <see cref="Longer"/>, and no occurrence may be skipped.</summary>
    public const string EachLonger = "each-longer";

    /// <summary>As <see cref="Brief"/>, for each process by itself.</summary>
    public const string EveryProcess = "every-process";

    private const int LongerMilliseconds = 1300;

    // What a user types at the least.
    [TaskLock(Brief)]
    internal sealed class BriefJob(OccurrenceReporter reporter) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, 1, cancellationToken);
    }

    [TaskLock(Short)]
    internal sealed class ShortJob(OccurrenceReporter reporter) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, 100, cancellationToken);
    }

    [TaskLock(Longer)]
    internal sealed class LongerJob(OccurrenceReporter reporter) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, LongerMilliseconds, cancellationToken);
    }

    [TaskLock(EachBrief, OncePerOccurrence = OncePerOccurrence.Always, OnConflict = LockConflict.Defer)]
    internal sealed class EachBriefJob(OccurrenceReporter reporter) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, 1, cancellationToken);
    }

    [TaskLock(EachLonger, OncePerOccurrence = OncePerOccurrence.Always, OnConflict = LockConflict.Defer)]
    internal sealed class EachLongerJob(OccurrenceReporter reporter) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, LongerMilliseconds, cancellationToken);
    }

    [TaskLock(EveryProcess, OncePerOccurrence = OncePerOccurrence.Never)]
    internal sealed class EveryProcessJob(OccurrenceReporter reporter) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            reporter.RunAsync(context, 1, cancellationToken);
    }
}
