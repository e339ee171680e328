using JobLocking.Policy;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>The name of a job, the same on every node.</summary>
internal static class JobName
{
    /// <summary>
    /// The key of the job if the user gave it one, otherwise its type: a generated key differs on each node. The key of a trigger with
    /// data of its own is part of the name: the reports of two regions are two jobs.
    /// </summary>
    /// <param name="key">The key of the job.</param>
    /// <param name="type">The type of the job, if it is known here.</param>
    /// <param name="policy">The lock of the job.</param>
    /// <param name="trigger">The trigger of the schedule, if it has data of its own.</param>
    /// <param name="sharesType">Whether other jobs of the scheduler have a generated key and this type, too.</param>
    /// <param name="toldApart">Whether each occurrence runs once, so that the name has to be certain.</param>
    /// <exception cref="TaskLockException">Each occurrence runs once, and the job has no name that is the same on every node.</exception>
    public static string Of(JobKey key, Type? type, LockPolicy policy, TriggerKey? trigger, bool sharesType, bool toldApart)
    {
        string job = Of(key);
        if (IsGenerated(key))
        {
            bool known = IsOwn(type) && !sharesType;
            if (!known && toldApart)
            {
                string why = IsOwn(type) ? $"and other jobs of type {type} have such keys too" : "and its type does not identify the job";
                throw new TaskLockException(
                    $"Lock '{policy.Template}' of job {key}: OncePerOccurrence is true, "
                    + $"but the key of the job looks generated, so it differs on each node, {why}. "
                    + "Fix: give the job a key that is the same on every node, with WithIdentity.");
            }

            // Without the arguments' assembly versions, which differ while a new version is rolled out.
            job = known ? type!.ToString() : job;
        }

        if (trigger is null)
        {
            return job;
        }

        return toldApart && IsGenerated(trigger)
            ? throw new TaskLockException(
                $"Lock '{policy.Template}' of job {key}: OncePerOccurrence is true, "
                + $"but its trigger {trigger} has job data of its own and a key that looks generated, so it differs on each node. "
                + "Fix: give the trigger a key that is the same on every node, with WithIdentity.")
            : $"{job}@{Of(trigger)}";
    }

    /// <summary>Quartz gives a job or trigger without an identity a GUID as its name.</summary>
    public static bool IsGenerated<T>(Key<T> key) => key.Group == JobKey.DefaultGroup && Guid.TryParseExact(key.Name, "D", out _);

    /// <summary>Group and name, escaped so that no two keys, nor a key and a pair of keys, have the same text.</summary>
    private static string Of<T>(Key<T> key) =>
        $"{Escaped(key.Group).Replace(".", "%2E", StringComparison.Ordinal)}.{Escaped(key.Name)}";

    private static string Escaped(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("@", "%40", StringComparison.Ordinal);

    /// <summary>All delegate jobs share one type, of Quartz.</summary>
    private static bool IsOwn(Type? type) => type is not null && type.Assembly != typeof(IJob).Assembly;
}
