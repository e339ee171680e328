using Quartz;

namespace JobLocking.Quartz;

/// <summary>Locks for jobs of one scheduler, by the key of the job.</summary>
public sealed class QuartzTaskLockOptions
{
    internal List<(JobKey Job, TaskLockAttribute Lock)> Jobs { get; } = [];

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
