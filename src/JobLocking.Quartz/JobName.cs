using Quartz;

namespace JobLocking.Quartz;

/// <summary>The name of a job, the same on every node.</summary>
internal static class JobName
{
    /// <summary>The key of the job if the user gave it one, otherwise its type: a generated key differs on each node.</summary>
    /// <param name="key">The key of the job.</param>
    /// <param name="type">The type of the job, if it is known here.</param>
    /// <param name="sharesType">Whether other jobs of the scheduler have a generated key and this type, too.</param>
    public static string Of(JobKey key, Type? type, bool sharesType) =>

        // Without the arguments' assembly versions, which differ while a new version is rolled out.
        IsGenerated(key) && IsOwn(type) && !sharesType ? type!.ToString() : Of(key);

    /// <summary>
    /// The name with the key of a trigger that has data of its own: the reports of two regions are two jobs.
    /// </summary>
    /// <param name="job">The name of the job.</param>
    /// <param name="trigger">The trigger of the schedule; null if it has no data of its own.</param>
    public static string With(string job, TriggerKey? trigger) => trigger is null ? job : $"{job}@{Of(trigger)}";

    /// <summary>Quartz gives a job or trigger without an identity a GUID as its name.</summary>
    public static bool IsGenerated<T>(Key<T> key) => key.Group == JobKey.DefaultGroup && Guid.TryParseExact(key.Name, "D", out _);

    /// <summary>Group and name, escaped so that no two keys, nor a key and a pair of keys, have the same text.</summary>
    public static string Of<T>(Key<T> key) =>
        $"{Escaped(key.Group).Replace(".", "%2E", StringComparison.Ordinal)}.{Escaped(key.Name)}";

    /// <summary>Whether the type identifies a job: all delegate jobs share one type, of Quartz.</summary>
    public static bool IsOwn(Type? type) => type is not null && type.Assembly != typeof(IJob).Assembly;

    private static string Escaped(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("@", "%40", StringComparison.Ordinal);
}
