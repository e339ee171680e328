using JobLocking.Engine;
using JobLocking.Policy;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>The identity of the job of a firing, the same on every node.</summary>
internal static class JobIdentity
{
    /// <param name="context">The firing.</param>
    /// <param name="type">The type of the job; null if it is not known.</param>
    /// <param name="job">The job by its key, or by its type where the key is generated.</param>
    /// <param name="installation">The scheduler, from <see cref="InstallationOf"/>.</param>
    public static string? Of(IJobExecutionContext context, Type? type, string job, string installation)
    {
        // The data that a job keeps from run to run is its state, and differs between nodes that share no store.
        JobDataMap data = context.JobDetail.PersistJobDataAfterExecution ? context.Trigger.JobDataMap : context.MergedJobDataMap;
        List<string>? keys = null;
        foreach (string key in data.Keys)
        {
            if (TriggerData.IsOwn(key))
            {
                (keys ??= []).Add(key);
            }
        }

        string? name = type?.ToString();
        if (keys is null)
        {
            return SameJob.Of(name, job, installation);
        }

        keys.Sort(StringComparer.Ordinal);
        return SameJob.Of([name, job, installation, .. keys.SelectMany(key => new[] { key, SameJob.TextOf(data[key]) })]);
    }

    /// <summary>
    /// The scheduler, the same on all nodes of the application: the name that the application gave it, without the node; empty for the
    /// default name of Quartz.
    /// </summary>
    public static string InstallationOf(IScheduler scheduler, LockEngine engine) =>
        scheduler.SchedulerName == QuartzSchedulerOptions.DefaultInstanceName ? "" : engine.WithoutNode(scheduler.SchedulerName);
}
