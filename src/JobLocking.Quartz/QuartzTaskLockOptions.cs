using Quartz;

namespace JobLocking.Quartz;

/// <summary>Locks for jobs of one scheduler, by the key of the job, and how the scheduler records firings that do not run.</summary>
public sealed class QuartzTaskLockOptions
{
    internal List<(JobKey Job, TaskLockAttribute Lock)> Jobs { get; } = [];

    /// <summary>How Quartz records a firing that is skipped because of its lock or its occurrence.</summary>
    /// <remarks>
    /// <para>
    /// With <see cref="FiringRecord.Veto"/>, a continuation on success is discarded, as Quartz does for a vetoed firing; one that names
    /// <see cref="ContinuationCondition.OnVeto"/> fires. The reason is in the log, and in the <see cref="IJobExecutionContext.Result"/>
    /// that listeners get in <c>JobExecutionVetoed</c>.
    /// </para>
    /// <para>
    /// A second attempt (a retry, a recovery, a deferral that came back) is skipped only if its occurrence was run elsewhere; otherwise it
    /// is deferred, or fails with <see cref="LockConflict.Fail"/>. A failure is never a veto: the retry policy applies to it.
    /// </para>
    /// <para>
    /// With a veto in either option, JobLocking asks for the lock before the execution begins: after the trigger listeners that were
    /// configured, but before job listeners and before all middleware. So data for the name of a lock cannot come from middleware, and a
    /// firing that waits in place is not yet one of the executing jobs, and cannot be interrupted.
    /// </para>
    /// </remarks>
    /// <value>The default is <see cref="FiringRecord.Report"/>.</value>
    public FiringRecord SkipAs { get; set; }

    /// <summary>How Quartz records a firing that is deferred, stands by, or is coalesced with a pending deferral.</summary>
    /// <remarks>
    /// <para>
    /// With <see cref="FiringRecord.Veto"/>, only the deferred run counts as a success for a <c>JobChainingJobListener</c>, for
    /// <c>RequireSuccessWithin</c> and for continuations. A continuation then waits for the deferred run, unless it names
    /// <see cref="ContinuationCondition.OnVeto"/>: then it fires at once.
    /// </para>
    /// <para>A retry that is deferred keeps its remaining attempts. See also the last remark on <see cref="SkipAs"/>.</para>
    /// </remarks>
    /// <value>The default is <see cref="FiringRecord.Report"/>.</value>
    public FiringRecord DeferAs { get; set; }

    /// <summary>
    /// Gives one job a lock: for a delegate job, a job of a third party, or one of several jobs of the same class. It replaces an attribute
    /// on the class of the job.
    /// </summary>
    /// <param name="job">The key of the job.</param>
    /// <param name="taskLock">The lock: <c>new TaskLockAttribute("reports") { Expire = 300 }</c>.</param>
    /// <returns>The same options.</returns>
    public QuartzTaskLockOptions ForJob(JobKey job, TaskLockAttribute taskLock)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentNullException.ThrowIfNull(taskLock);
        Jobs.Add((job, taskLock));
        return this;
    }
}
