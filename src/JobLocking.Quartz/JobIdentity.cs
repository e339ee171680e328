using JobLocking.Policy;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>What a job is called on every node.</summary>
internal static class JobIdentity
{
    /// <summary>
    /// The key of the job if its user gave it one, else its type: a generated key differs on each node. With it goes the key
    /// of a trigger that has data of its own: the report of one region is another job than that of the next.
    /// </summary>
    /// <param name="key">The key of the job.</param>
    /// <param name="type">The type of the job, if it is known here.</param>
    /// <param name="policy">The lock of the job.</param>
    /// <param name="trigger">The trigger of the schedule, if it has data of its own.</param>
    /// <param name="sharesType">Whether other jobs of the scheduler have a generated key and this type, too.</param>
    /// <param name="toldApart">Whether the occurrences are to be told apart.</param>
    /// <exception cref="TaskLockException">Occurrences are to be told apart, and something about the job is not the same on every node.</exception>
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
                    $"Lock '{policy.Template}' of job {key}: OncePerOccurrence is true, but the key of the job looks generated, so it differs on each node, {why}. Fix: give the job a key that is the same on every node, with WithIdentity.");
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
                $"Lock '{policy.Template}' of job {key}: OncePerOccurrence is true, but its trigger {trigger} has job data of its own and a key that looks generated, so it differs on each node. Fix: give the trigger a key that is the same on every node, with WithIdentity.")
            : $"{job}@{Of(trigger)}";
    }

    /// <summary>A job or trigger without an identity is given a GUID for a name.</summary>
    public static bool IsGenerated<T>(Key<T> key) => key.Group == JobKey.DefaultGroup && Guid.TryParseExact(key.Name, "D", out _);

    /// <summary>Group and name, so escaped that no two keys, nor a key and a pair of them, give the same.</summary>
    private static string Of<T>(Key<T> key) =>
        $"{Escaped(key.Group).Replace(".", "%2E", StringComparison.Ordinal)}.{Escaped(key.Name)}";

    private static string Escaped(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("@", "%40", StringComparison.Ordinal);

    /// <summary>All delegate jobs share one type of Quartz.</summary>
    private static bool IsOwn(Type? type) => type is not null && type.Assembly != typeof(IJob).Assembly;
}
