using Quartz;

namespace JobLocking.Quartz;

/// <summary>What the data of a trigger says about the work.</summary>
internal static class TriggerData
{
    private const string OfQuartz = "QRTZ_";

    /// <summary>Whether the trigger gives its job data of its own, beside what we and Quartz keep there: then it stands for other work than the job's other triggers.</summary>
    public static bool IsOwn(JobDataMap data) =>
        data.Keys.Any(IsOwn);

    /// <summary>Whether a key of job data says something about the work.</summary>
    public static bool IsOwn(string key) =>
        key == SchedulerConstants.JobInput
        || !(key.StartsWith(Deferral.Prefix, StringComparison.Ordinal) || key.StartsWith(OfQuartz, StringComparison.Ordinal));
}
