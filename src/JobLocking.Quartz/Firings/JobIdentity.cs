using JobLocking.Engine;
using Quartz;

namespace JobLocking.Quartz.Firings;

/// <summary>What a job is called on every node.</summary>
internal static class JobIdentity
{
    /// <summary>The key of the job if its user gave it one, else its type: a generated key differs on each node.</summary>
    /// <exception cref="TaskLockException">Occurrences are to be told apart, and nothing about the job is the same on every node.</exception>
    public static string Of(JobKey key, Type? type, LockPolicy policy)
    {
        if (!IsGenerated(key))
        {
            return Of(key);
        }

        if (IsOwn(type))
        {
            // Without the arguments' assembly versions, which differ while a new version is rolled out.
            return type!.ToString();
        }

        return policy.OncePerOccurrence
            ? throw new TaskLockException(
                $"Lock '{policy.Template}' of job {key}: OncePerOccurrence is true, but the key of the job looks generated, so it differs on each node, and its type is no job of its own. Fix: give the job a key that is the same on every node, with WithIdentity.")
            : Of(key);
    }

    /// <summary>Group and name, the dots of the group escaped so that no two keys give the same.</summary>
    public static string Of<T>(Key<T> key) =>
        $"{key.Group.Replace("%", "%25", StringComparison.Ordinal).Replace(".", "%2E", StringComparison.Ordinal)}.{key.Name}";

    /// <summary>A job without an identity is given a GUID for a name.</summary>
    private static bool IsGenerated(JobKey key) => key.Group == JobKey.DefaultGroup && Guid.TryParseExact(key.Name, "D", out _);

    /// <summary>All delegate jobs share one type of Quartz.</summary>
    private static bool IsOwn(Type? type) => type is not null && type.Assembly != typeof(IJob).Assembly;
}
