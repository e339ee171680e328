using System.Diagnostics;
using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.Waiting;

namespace JobLocking.Engine;

/// <summary>
/// What the engine decided about an execution. There are five kinds; the members of each are what an adapter has to do, in order.
/// </summary>
public abstract class LockDecision
{
    private LockDecision()
    {
    }

    /// <summary>
    /// Run the job: <see cref="Enter"/>, then <see cref="JobBegins"/> and <see cref="JobEnds"/> where the adapter can tell, then
    /// <see cref="EndAsync"/>, however the run ends.
    /// </summary>
    public sealed class Run : LockDecision
    {
        private readonly LockEngine _engine;

        internal Run(LockEngine engine, LockExecution execution, TaskLease? lease, LockHolder holder)
        {
            _engine = engine;
            Execution = execution;
            Lease = lease;
            Holder = holder;
        }

        /// <summary>The lease of the run; null when it runs without its lock under <see cref="LockUnavailable.Run"/>.</summary>
        public TaskLease? Lease { get; }

        internal LockExecution Execution { get; }

        internal LockHolder Holder { get; }

        internal AmbientLease? Ambient { get; set; }

        /// <summary>The span that the scheduler has for the execution; null if it has none.</summary>
        internal Activity? Span { get; set; }

        /// <summary>The acquire, until it has a span of its own; null if it gets none.</summary>
        internal PastAcquire? Acquire { get; set; }

        /// <summary>
        /// From here on, <see cref="ITaskLeaseAccessor"/> finds the lease of the run in the caller's flow of execution, until <see
        /// cref="EndAsync"/>.
        /// </summary>
        public void Enter() => _engine.Enter(this);

        /// <summary>
        /// The job itself begins now, in the caller's flow of execution. If the scheduler had no span when the lock was acquired, the
        /// current span is the span of the job, and gets the tags of the lock.
        /// </summary>
        public void JobBegins()
        {
            if (Span is null)
            {
                Span = Activity.Current;
                Spans.Decided(Span, this.Tags(Execution));
                TellAcquire();
            }
        }

        /// <summary>
        /// The job itself has ended, and its span is still open: the span gets the loss of the lease. <see cref="EndAsync"/> does the
        /// same, for adapters that call it inside that span.
        /// </summary>
        public void JobEnds()
        {
            if (this is { Span: { } span, Lease: { } lease } && lease.IsLost())
            {
                Spans.Lost(span, lease.Loss!.Value.Tag());
            }
        }

        /// <summary>Ends the run: releases its lease and marks its occurrence. A fault of the store does not make it throw.</summary>
        /// <param name="error">What the job threw; null if it succeeded.</param>
        /// <param name="aborted">The scheduler is shutting down, or has taken the job away, and the job will run again elsewhere.</param>
        /// <returns>
        /// What to throw instead of <paramref name="error"/> if the job was cancelled by the loss of its lease; otherwise null.
        /// </returns>
        public ValueTask<Exception?> EndAsync(Exception? error, bool aborted) => _engine.EndAsync(this, error, aborted);

        /// <summary>Called when the run ends, at the latest: an adapter does not have to call <see cref="JobBegins"/>.</summary>
        internal void TellAcquire()
        {
            Spans.Acquired(Acquire, this.Tags(Execution));
            Acquire = null;
        }
    }

    /// <summary>Do not run the job, and show the reason where the scheduler has a place for it.</summary>
    public sealed class Skip : LockDecision
    {
        internal Skip(string reason, LockHolder? holder, AcquireOutcome? cause)
        {
            Reason = reason;
            Holder = holder;
            Cause = cause;
        }

        /// <summary>For people: which lock, and its holder.</summary>
        public string Reason { get; }

        /// <summary>The execution that holds the lock or ran the occurrence; null for a foreign client.</summary>
        public LockHolder? Holder { get; }

        /// <summary>
        /// Another execution from the same deferral runs or has run (<see cref="LockExecution.MayHaveCopies"/>). The work is not
        /// skipped, so this counts neither as a skip nor as a deferral.
        /// </summary>
        public bool IsCopy => Cause == AcquireOutcome.DeferralSpent;

        /// <summary>What the store answered; null if it was not asked, because the mark of the occurrence may be gone.</summary>
        internal AcquireOutcome? Cause { get; }
    }

    /// <summary>
    /// Do not run the job now, but when it is woken, or after <see cref="Delay"/>. The adapter stores it with <see cref="State"/>,
    /// then calls <see cref="Stored"/>, or <see cref="NotStored"/> if that failed.
    /// </summary>
    public sealed class Defer : LockDecision
    {
        private readonly LockEngine _engine;

        internal Defer(
            LockEngine engine,
            LockExecution execution,
            TimeSpan delay,
            string reason,
            TimeSpan? timeLeft,
            LockHolder? holder,
            AcquireOutcome? cause)
        {
            _engine = engine;
            Execution = execution;
            Delay = delay;
            Reason = reason;
            TimeLeft = timeLeft;
            Holder = holder;
            Cause = cause;
        }

        /// <summary>When to try again if no wake-up comes before.</summary>
        public TimeSpan Delay { get; }

        /// <summary>For people: which lock, and its holder.</summary>
        public string Reason { get; }

        /// <summary>Until the holder's lease expires, if it is not renewed; null if that is not known.</summary>
        public TimeSpan? TimeLeft { get; }

        /// <summary>
        /// The execution that holds the lock or runs the occurrence; null for a foreign client, or when the store is unavailable.
        /// </summary>
        public LockHolder? Holder { get; }

        /// <summary>
        /// To be stored with the deferral, and given back in <see cref="LockExecution.Deferral"/> when the execution comes back.
        /// </summary>
        public DeferralState State { get; private set; } = null!;

        /// <summary>The store was unavailable, so it is not known whether the lock is taken.</summary>
        public bool IsUnavailable => Cause is null;

        /// <summary>
        /// Another execution runs the occurrence. This one runs it only if that one's process dies or loses its lease, so it stands by: it
        /// is stored like a deferral, and counts as none. It stays that way while the store is unavailable.
        /// </summary>
        public bool StandsBy =>
            Cause == AcquireOutcome.OccurrenceRunning || (IsUnavailable && Execution.Deferral is { StandsBy: true });

        internal LockExecution Execution { get; }

        /// <summary>The waiter of the execution in this process.</summary>
        internal Waiter Waiter { get; private set; } = null!;

        /// <summary>What the store answered; null if it was unavailable.</summary>
        internal AcquireOutcome? Cause { get; }

        /// <summary>The deferral is stored: the execution will come back.</summary>
        /// <param name="wake">
        /// Starts the deferred execution at once, and returns whether it did: false if the deferral is gone, because it has started, or
        /// was removed or moved; then the next waiter is woken. Called on a thread of the pool: immediately if the wake-up came while
        /// the deferral was being stored, and again, some time later, only if it threw.
        /// </param>
        public void Stored(Func<ValueTask<bool>> wake)
        {
            ArgumentNullException.ThrowIfNull(wake);
            _engine.Stored(this, wake);
        }

        /// <summary>
        /// The deferral was not stored: the execution leaves the waiting queue. If it had been woken, the next waiter is woken.
        /// </summary>
        public void NotStored() => _engine.NotStored(this);

        /// <summary>The execution has a waiter, which its next attempt finds again.</summary>
        internal Defer With(Waiter waiter, DateTimeOffset now)
        {
            Waiter = waiter;
            State = DeferralState.After(Execution.Deferral, now, waiter, StandsBy, isAnswered: !IsUnavailable);
            return this;
        }
    }

    /// <summary>
    /// Do not run the job and do not change its state: another worker runs it, or has just run it. Have the scheduler deliver it again
    /// after <see cref="Delay"/>, in case that worker has died. Only for an execution with a <see cref="LockExecution.Delivery"/>.
    /// </summary>
    public sealed class Postpone : LockDecision
    {
        internal Postpone(TimeSpan delay) => Delay = delay;

        /// <summary>When to deliver the job again.</summary>
        public TimeSpan Delay { get; }
    }

    /// <summary>Fail the execution; the retry policy of the scheduler applies.</summary>
    public sealed class Fail : LockDecision
    {
        internal Fail(TaskLockException error) => Error = error;

        /// <summary>To be thrown.</summary>
        public TaskLockException Error { get; }
    }
}
