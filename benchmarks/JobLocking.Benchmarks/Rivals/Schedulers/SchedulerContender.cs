namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>The names under which the schedulers' own means, and locks by hand, stand in the table.</summary>
internal static class SchedulerContender
{
    /// <summary>The job without any lock.</summary>
    public const string Bare = "bare";

    public const string DisableConcurrentExecution = "[DisableConcurrentExecution]";

    public const string DisallowConcurrentExecution = "[DisallowConcurrentExecution]";

    /// <summary>What we send for a job, by hand: two questions to the storage, and both scripts.</summary>
    public const string RequestsByHand = "the same requests, by hand";

    /// <summary>As many requests, but a SET NX and a DEL in place of the scripts: a lock without a fence, a queue or an owner.</summary>
    public const string PlainByHand = "as many plain commands, by hand";

    /// <summary>A middleware of Quartz that takes a lock by hand around the job and does nothing else.</summary>
    public const string LockByHand = "lock by hand around the job";

    /// <summary>The same lock taken by hand, without any scheduler.</summary>
    public const string Pair = "acquire + release alone";

    /// <summary>Jobs without a lock of which each enqueues the next as it ends, in a queue of their own: no worker waits.</summary>
    public const string ChainByHand = "no lock, each enqueued by the one before";
}
