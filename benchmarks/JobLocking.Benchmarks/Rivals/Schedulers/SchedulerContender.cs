namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>The names under which the schedulers' own means stand in the table.</summary>
internal static class SchedulerContender
{
    /// <summary>The job without any lock.</summary>
    public const string Bare = "bare";

    public const string DisableConcurrentExecution = "[DisableConcurrentExecution]";

    public const string DisallowConcurrentExecution = "[DisallowConcurrentExecution]";

    /// <summary>Both scripts by hand around the job, with synchronous calls and nothing else.</summary>
    public const string ScriptsByHand = "scripts alone, by hand";

    /// <summary>The same, and before it what the job has to be asked: whether it was deferred, and whether it recurs.</summary>
    public const string RequestsByHand = "the same requests, by hand";

    /// <summary>A middleware of Quartz that takes a lock by hand around the job and does nothing else.</summary>
    public const string LockByHand = "lock by hand around the job";

    /// <summary>The same lock taken by hand, without any scheduler.</summary>
    public const string Pair = "acquire + release alone";
}
