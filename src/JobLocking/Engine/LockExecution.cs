using JobLocking.Policy;
using JobLocking.Stores;

namespace JobLocking.Engine;

/// <summary>One execution of a job, as an adapter describes it to the engine.</summary>
public sealed record LockExecution
{
    /// <summary>The policy of the job, from <see cref="LockPolicies"/>.</summary>
    public required LockPolicy Policy { get; init; }

    /// <summary>The resolved name of the lock, from <see cref="LockPolicy.ResolveName"/>.</summary>
    public required string Name { get; init; }

    /// <summary>What runs it: <c>Hangfire</c>, <c>Quartz/name</c>.</summary>
    public required string Scheduler { get; init; }

    /// <summary>The job as people read it, the same on every node.</summary>
    public required string Job { get; init; }

    /// <summary>
    /// By which executions of one application are known to be the same job, from <see cref="SameJob.Of"/>; null where that is
    /// not known, which is never the same. Only asked for where <see cref="LockPolicy.ComparesJobs"/>.
    /// </summary>
    public string? Identity { get; init; }

    /// <summary>The scheduler's own id of this execution, for people.</summary>
    public required string Execution { get; init; }

    /// <summary>Where it comes from.</summary>
    public required ExecutionOrigin Origin { get; init; }

    /// <summary>
    /// Whether the schedule runs a <see cref="ExecutionOrigin.Recurring"/> execution again by itself; null if it does. The engine asks
    /// only when <see cref="LockConflict.Auto"/> would skip the execution, and defers it if the answer is false: so the answer may
    /// need the scheduler's storage. It must not throw.
    /// </summary>
    public Lazy<bool>? RunsAgain { get; init; }

    /// <summary>The occurrence, under <see cref="TaskLockAttribute.OncePerOccurrence"/> only; null where there is none, as for a trigger fired by hand.</summary>
    public LockOccurrence? Occurrence { get; init; }

    /// <summary>How often it was deferred before.</summary>
    public int Deferrals { get; init; }

    /// <summary>How often it was deferred since a release last woke it; <see cref="Deferrals"/> if none ever did. By so much the next deferral is longer.</summary>
    public int DeferralsUnwoken { get; init; }

    /// <summary>The <see cref="LockDecision.Defer.Ticket"/> of its last deferral, by which it keeps its place in the queue; null if it does not come from one.</summary>
    public string? Ticket { get; init; }

    /// <summary>
    /// Whether several executions may come from the deferral of <see cref="Ticket"/>, as copies of each other, of which only one
    /// is to run; the others get a <see cref="LockDecision.Skip"/> that <see cref="LockDecision.Skip.IsCopy"/>. Only for a
    /// scheduler that never hands out the execution that has run again with the same ticket, neither as a retry nor after a
    /// crash: it would be turned away like a copy, and its work would be lost.
    /// </summary>
    public bool MayHaveCopies { get; init; }

    /// <summary>The <see cref="LockDecision.Defer.FirstDeferredAt"/> of its last deferral; null if it does not come from one.</summary>
    public DateTimeOffset? FirstDeferredAt { get; init; }

    /// <summary>Ends a wait in place, or keeps it from beginning, since the scheduler stops: the lock is not asked for again, and the decision is that of a wait whose time is over.</summary>
    public CancellationToken EndOfWait { get; init; }

    /// <summary>The workers of the scheduler that runs it; null if they may all wait for a store that is away.</summary>
    public LockWorkers? Workers { get; init; }
}
