using Hangfire;
using Hangfire.Server;

namespace JobLocking.Hangfire;

/// <summary>
/// The jobs that are performed inside the job of a worker, as Hangfire.DynamicJobs does. Hangfire knows only the outer job: it has the
/// id, the states and the parameters, so what an inner job leaves for its next attempt is stored there.
/// </summary>
/// <remarks>
/// If the filter cancelled an inner job, the outer job would succeed without the work. So the filter throws an
/// <see cref="InnerJobNotRunException"/>, and if that passes through the outer job, the outer job is skipped or deferred in place of
/// the inner one.
/// </remarks>
internal sealed class InnerJobs(BackgroundJob outer)
{
    private static readonly AsyncLocal<InnerJobs?> Ambient = new();

    private readonly Lock _gate = new();
    private List<JobDecision>? _notRun;
    private bool _isOver;

    /// <summary>The inner jobs of the worker that this code runs on; null if a job is performed by other code.</summary>
    public static InnerJobs? Current => Ambient.Value;

    public BackgroundJob Outer => outer;

    /// <summary>
    /// The record of the outer job as it was at the start: what one inner job writes must not make the next one a second attempt.
    /// </summary>
    public AttemptRecord? Record { get; set; }

    /// <summary>
    /// A worker names its server in the context; a job that performs another job inside itself creates a context without one.
    /// </summary>
    public static bool IsInner(PerformContext context) => context.ServerId is null;

    /// <summary>A worker begins to perform a job: that job is the outer one until the worker begins the next.</summary>
    public static void Begin(BackgroundJob job)
    {
        // A second filter of the same worker finds it.
        if (Ambient.Value?.Outer != job)
        {
            Ambient.Value = new InnerJobs(job);
        }
    }

    /// <summary>A worker has performed a job.</summary>
    /// <param name="job">The outer job.</param>
    /// <param name="passed">The decision whose exception passed through the outer job; null if there is none.</param>
    /// <param name="records">Warns of inner jobs whose exception was handled.</param>
    public static void End(BackgroundJob job, JobDecision? passed, ElectionRecords records)
    {
        foreach (JobDecision other in NotRunInside(job).Where(one => one != passed))
        {
            other.Abandon();
            if (passed is null)
            {
                records.InnerJobIgnored(other, job.Id);
            }
        }
    }

    /// <summary>
    /// The decision about the inner job whose exception ended this job; null if there is none, or if a filter has handled it.
    /// </summary>
    public static JobDecision? DecisionIn(PerformedContext context) =>
        context.ExceptionHandled ? null : InnerJobNotRunException.Of(context.Exception)?.Decision;

    /// <summary>An inner job must not run now.</summary>
    /// <param name="decision">The decision about it.</param>
    /// <param name="around">The job around it; null if it is performed by other code.</param>
    /// <returns>The exception to throw in place of the inner job.</returns>
    public static InnerJobNotRunException Refuse(JobDecision decision, InnerJobs? around)
    {
        // If the outer job has ended, no state of a job can show the decision any more.
        if (around?.TryAdd(decision) != true)
        {
            decision.Abandon();
        }

        return new InnerJobNotRunException(decision);
    }

    private static List<JobDecision> NotRunInside(BackgroundJob job)
    {
        if (Ambient.Value is not { } jobs || jobs.Outer != job)
        {
            return [];
        }

        Ambient.Value = null;
        lock (jobs._gate)
        {
            jobs._isOver = true;
            return jobs._notRun ?? [];
        }
    }

    private bool TryAdd(JobDecision decision)
    {
        lock (_gate)
        {
            if (!_isOver)
            {
                (_notRun ??= []).Add(decision);
            }

            return !_isOver;
        }
    }
}
