using System.Diagnostics;
using JobLocking.Waiting;
using JobLocking.Telemetry;

namespace JobLocking.Engine;

/// <summary>What shall become of an execution. A closed set of four.</summary>
public abstract record LockDecision
{
    private LockDecision()
    {
    }

    /// <summary>Run the job, then call <see cref="LockEngine.EndAsync"/>, whatever happens to it.</summary>
    public sealed record Run : LockDecision
    {
        internal Run(LockExecution execution, TaskLease? lease, LockHolder holder)
        {
            Execution = execution;
            Lease = lease;
            Holder = holder;
        }

        /// <summary>The lease under which it runs; null when it runs without its lock under <see cref="LockUnavailable.Run"/>.</summary>
        public TaskLease? Lease { get; }

        internal LockExecution Execution { get; }

        internal LockHolder Holder { get; }

        internal AmbientLease? Ambient { get; set; }

        /// <summary>The scheduler's own span of the execution; null where there is none.</summary>
        internal Activity? Span { get; set; }

        /// <summary>The question for the lock, until it has its span; null where there is none to come.</summary>
        internal PastAcquire? Acquire { get; set; }

        /// <summary>
        /// Says that the job itself begins, on the caller's flow of execution, inside all that surrounds it. Where its scheduler had
        /// no span yet when the lock was asked for, the span that is current now is the job's, and gets the lock as tags.
        /// </summary>
        public void JobBegins()
        {
            if (Span is null)
            {
                Span = Activity.Current;
                Spans.Decided(Span, Execution, this);
                TellAcquire();
            }
        }

        /// <summary>
        /// Says that the job itself has ended, while what surrounds it goes on: its span is still open, and gets the loss of the
        /// lease. <see cref="LockEngine.EndAsync"/> follows, and does the same for callers that are inside that span anyway.
        /// </summary>
        public void JobEnds()
        {
            if (this is { Span: { } span, Lease: { } lease } && lease.IsLost())
            {
                Spans.Lost(span, lease.Loss!.Value);
            }
        }

        /// <summary>At the latest when the run ends: an adapter need not say that the job begins.</summary>
        internal void TellAcquire()
        {
            Spans.Acquired(Acquire, Execution, this);
            Acquire = null;
        }
    }

    /// <summary>Do not run the job, and say why where the scheduler shows it.</summary>
    /// <param name="Reason">For people: which lock, held by whom.</param>
    /// <param name="Holder">Who holds the lock or ran the occurrence; null for a foreign client.</param>
    public sealed record Skip(string Reason, LockHolder? Holder) : LockDecision
    {
        /// <summary>
        /// Another execution that came from the same deferral runs or has run (<see cref="LockExecution.MayHaveCopies"/>). The
        /// work is not skipped, so that this counts neither as a skip nor as a deferral.
        /// </summary>
        public bool IsCopy { get; internal init; }

        /// <summary>The reason as metrics and traces tell it.</summary>
        internal string Cause { get; init; } = "";
    }

    /// <summary>
    /// Do not run the job now, but when it is woken, or after a time. The adapter counts it, so that
    /// <see cref="LockExecution.Deferrals"/> is one more then, and says either <see cref="LockEngine.Deferred"/> or
    /// <see cref="LockEngine.NotDeferred"/>.
    /// </summary>
    /// <param name="Delay">After which time it shall try again if nothing wakes it.</param>
    /// <param name="Reason">For people: which lock, held by whom.</param>
    /// <param name="TimeLeft">Until the holder's lease expires if nobody renews it; null if that is not known.</param>
    /// <param name="Holder">Who holds the lock or runs the occurrence; null for a foreign client, or when the store cannot be asked.</param>
    public sealed record Defer(TimeSpan Delay, string Reason, TimeSpan? TimeLeft, LockHolder? Holder) : LockDecision
    {
        /// <summary>To be given back in <see cref="LockExecution.Ticket"/>, in whichever process: its place in the queue.</summary>
        public string Ticket { get; internal init; } = "";

        /// <summary>To be given back in <see cref="LockExecution.FirstDeferredAt"/>: by the engine's clock, since a scheduler may have one of its own.</summary>
        public DateTimeOffset FirstDeferredAt { get; internal init; }

        /// <summary>The store could not be asked, so that it is not known whether the lock is taken.</summary>
        public bool IsUnavailable { get; internal init; }

        /// <summary>The same as this process knows it.</summary>
        internal Waiter Waiter { get; init; } = null!;

        /// <summary>The reason as metrics and traces tell it.</summary>
        internal string Cause { get; init; } = "";
    }

    /// <summary>Fail the execution; the scheduler's own retry decides what follows.</summary>
    /// <param name="Error">To be thrown.</param>
    public sealed record Fail(TaskLockException Error) : LockDecision;
}
