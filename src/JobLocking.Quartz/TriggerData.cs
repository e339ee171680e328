using Quartz;

namespace JobLocking.Quartz;

/// <summary>Which job data of a trigger belongs to the user.</summary>
internal static class TriggerData
{
    private const string OfQuartz = "QRTZ_";

    /// <summary>
    /// Whether the trigger has data of its own, besides that of Quartz and of JobLocking. Then it stands for other work than the other
    /// triggers of the job.
    /// </summary>
    public static bool IsOwn(JobDataMap data) =>
        data.Keys.Any(IsOwn);

    /// <summary>Whether a key of job data belongs to the user.</summary>
    public static bool IsOwn(string key) =>
        key == SchedulerConstants.JobInput
        || !(key.StartsWith(StoredDeferral.Prefix, StringComparison.Ordinal) || key.StartsWith(OfQuartz, StringComparison.Ordinal));
}
