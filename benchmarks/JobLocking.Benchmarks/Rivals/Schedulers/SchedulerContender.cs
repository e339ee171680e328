namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>The names in the table of the schedulers' own attributes, and of locks taken by hand.</summary>
internal static class SchedulerContender
{
    /// <summary>The job without any lock.</summary>
    public const string Bare = "bare";

    public const string DisableConcurrentExecution = "[DisableConcurrentExecution]";

    public const string DisallowConcurrentExecution = "[DisallowConcurrentExecution]";

    /// <summary>What we send for a job, by hand: two requests to the storage, and both scripts.</summary>
    public const string RequestsByHand = "the same requests, by hand";

    /// <summary>
    /// As many requests, but a SET NX and a DEL instead of the scripts: a lock without a fencing token, a queue or a holder.
    /// </summary>
    public const string PlainByHand = "as many plain commands, by hand";

    /// <summary>A middleware of Quartz that takes a lock by hand around the job and does nothing else.</summary>
    public const string LockByHand = "lock by hand around the job";

    /// <summary>The same lock taken by hand, without any scheduler.</summary>
    public const string Pair = "acquire + release alone";

    /// <summary>Jobs without a lock, each of which enqueues the next as it ends, in a queue of their own: no worker waits.</summary>
    public const string ChainByHand = "no lock, each enqueued by the one before";
}
