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

    /// <summary>The scheduler that runs it: <c>Hangfire</c>, <c>Quartz/name</c>.</summary>
    public required string Scheduler { get; init; }

    /// <summary>The name of the job, for people; the same on every node.</summary>
    public required string Job { get; init; }

    /// <summary>
    /// Equal for executions of one application that are the same job, from <see cref="SameJob.Of"/>; null if it is not known: then the
    /// execution is the same job as no other. Needed only if <see cref="LockPolicy.ComparesJobs"/>.
    /// </summary>
    public string? Identity { get; init; }

    /// <summary>The scheduler's own id of this execution, for people.</summary>
    public required string Execution { get; init; }

    /// <summary>Where it comes from.</summary>
    public required ExecutionOrigin Origin { get; init; }

    /// <summary>
    /// Whether the schedule runs a <see cref="ExecutionOrigin.Recurring"/> execution again by itself; null if it does. The engine reads
    /// the value only when <see cref="LockConflict.Auto"/> would skip the execution, and defers it if the value is false: so the
    /// adapter may read it from the scheduler's storage. It must not throw.
    /// </summary>
    public Lazy<bool>? RunsAgain { get; init; }

    /// <summary>
    /// Whether <see cref="LockConflict.Auto"/> defers a <see cref="ExecutionOrigin.Recurring"/> execution, instead of skipping it, while
    /// the process of a holder does not answer. The holder's work may have ended in the middle then. The store finds that out in the same
    /// step, and only where the execution would be skipped; where it cannot tell, the holder answers.
    /// </summary>
    public bool AsksWhetherHolderAnswers { get; init; }

    /// <summary>
    /// The occurrence, where <see cref="LockPolicy.RunsOccurrencesOnce"/> only; null where there is none, as for a trigger fired by hand.
    /// </summary>
    public LockOccurrence? Occurrence { get; init; }

    /// <summary>
    /// The fire times that follow the occurrence, which say how long its mark is kept; null if they are not known: then it is kept for
    /// <see cref="JobLockingOptions.OccurrenceRetention"/>.
    /// </summary>
    public FollowingFireTimes? Following { get; init; }

    /// <summary>
    /// The stored job, where its scheduler may deliver it a second time; null where it never does, and for an execution with an
    /// <see cref="Occurrence"/>.
    /// </summary>
    public JobDelivery? Delivery { get; init; }

    /// <summary>The <see cref="LockDecision.Defer.State"/> of its last deferral; null if it does not come from one.</summary>
    public DeferralState? Deferral { get; init; }

    /// <summary>
    /// Whether several executions may come from the deferral, as copies of each other, of which only one is to run; the others get a
    /// <see cref="LockDecision.Skip"/> that <see cref="LockDecision.Skip.IsCopy"/>. Only for a scheduler that never hands out an
    /// execution again with the same <see cref="Deferral"/> after it has run, neither as a retry nor after a crash: the engine would
    /// take it for a copy, and its work would be lost.
    /// </summary>
    public bool MayHaveCopies { get; init; }

    /// <summary>
    /// Ends a wait in place, or prevents it, because the scheduler stops. The engine then decides as at the end of
    /// <see cref="TaskLockAttribute.Wait"/>, without another acquire.
    /// </summary>
    public CancellationToken EndOfWait { get; init; }

    /// <summary>The workers of the scheduler that runs it; null if they may all wait for an unavailable store.</summary>
    public LockWorkers? Workers { get; init; }
}
