using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using static System.FormattableString;

namespace JobLocking;

/// <summary>
/// One holding of a lock: renewed in the background until it is disposed. Safe to use from many threads.
/// </summary>
public sealed class TaskLease : IAsyncDisposable
{
    private readonly Leases _leases;
    private readonly LeaseRequest _wanted;
    private readonly CancellationTokenSource _lost = new();
    private readonly long _acquiredAt;
    private long _deadline;
    private volatile State _state;

    internal TaskLease(Leases leases, LeaseRequest wanted, string id, long fencingToken, long sentAt)
    {
        _leases = leases;
        _wanted = wanted;
        _acquiredAt = sentAt;
        _deadline = Deadline.After(leases.Time, sentAt, wanted.Terms.Expiry);
        Id = id;
        FencingToken = fencingToken;
    }

    private enum State
    {
        Held,
        Lost,
        Released,
    }

    /// <summary>The resolved name of the lock.</summary>
    public string Name => _wanted.Name;

    /// <summary>
    /// A number that only grows with each lease of this lock. A resource that remembers the highest it has seen and
    /// refuses lower ones is safe even from a holder that was frozen while its lease ran out.
    /// See Kleppmann, <see href="https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html">How to do distributed locking</see>.
    /// </summary>
    public long FencingToken { get; }

    /// <summary>This holder, as others see it.</summary>
    public LockHolder Holder => _wanted.Holder;

    /// <summary>
    /// Until when the holder may believe in the lease if it is not renewed any more, UTC. A little earlier than the store
    /// lets it expire, since clocks drift.
    /// </summary>
    public DateTimeOffset ExpiresAt => _leases.Time.GetUtcNow() + Deadline.Until(_leases.Time, DeadlineAt);

    /// <summary>
    /// Cancelled when the lease is lost: not renewed in time, taken away, or at the end of <see cref="TaskLockAttribute.MaxHold"/>.
    /// Not cancelled by releasing it. A process that was frozen learns it as it resumes; <see cref="ThrowIfLost"/> is exact.
    /// </summary>
    /// <remarks>
    /// By the deadline <see cref="CancellationToken.IsCancellationRequested"/> is true and the wait handle is set, however busy
    /// the thread pool is. Callbacks run on the thread pool: while all its threads are blocked they come later.
    /// </remarks>
    public CancellationToken Lost => _lost.Token;

    /// <summary>The template of the lock's name, by which metrics tell leases apart.</summary>
    internal string Template => _wanted.Template;

    internal string Id { get; }

    internal LockOccurrence? Occurrence => _wanted.Occurrence;

    internal LeaseTerms Terms => _wanted.Terms;

    internal LockWorkers? Workers => _wanted.Workers;

    internal TimeSpan HeldFor => _leases.Time.GetElapsedTime(_acquiredAt);

    internal long DeadlineAt => Volatile.Read(ref _deadline);

    /// <summary>How the lease was lost; null while it was not.</summary>
    internal LeaseLoss? Loss { get; private set; }

    /// <summary>The moment of the next renewal, or of the deadline. Belongs to the renewal loop.</summary>
    internal long Due { get; set; }

    /// <summary>Where it stands among what is due; less than 0 where it does not. Belongs to the renewal loop.</summary>
    internal int Place { get; set; } = -1;

    /// <summary>The one of the same lock and process that was acquired before it. Belongs to <see cref="LocalHolders"/>.</summary>
    internal TaskLease? Older { get; set; }

    /// <summary>A renewal is under way. Belongs to the renewal loop.</summary>
    internal bool IsRenewing { get; set; }

    /// <summary>Counted as held by the metrics, which alone write it, before anybody else knows the lease.</summary>
    internal bool IsCounted { get; set; }

    /// <summary>Neither lost nor released, and before its deadline.</summary>
    internal bool IsHeldAt(long now) => _state == State.Held && now < DeadlineAt;

    internal bool IsReleased => _state == State.Released;

    /// <summary>Looks at the clock, not only at <see cref="Lost"/>. Call it on the line before what cannot be undone.</summary>
    /// <exception cref="TaskLockLostException">The lease is lost.</exception>
    /// <exception cref="ObjectDisposedException">The lease was released.</exception>
    public void ThrowIfLost()
    {
        ObjectDisposedException.ThrowIf(IsReleased, this);
        if (IsLost())
        {
            throw LostError(cause: null);
        }
    }

    /// <summary>Makes sure that the lease lasts at least so long from now. Renewal goes on as before and never shortens it.</summary>
    /// <param name="duration">From now; more than zero, at most 7 days. With a <see cref="TaskLockAttribute.MaxHold"/>, not beyond its end.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer; the lease may have been extended all the same.</param>
    /// <exception cref="ArgumentOutOfRangeException">Not more than zero, more than 7 days, or beyond the end of <see cref="TaskLockAttribute.MaxHold"/>.</exception>
    /// <exception cref="TaskLockLostException">The lease is lost.</exception>
    /// <exception cref="TaskLockUnavailableException">The store cannot be asked; the lease holds on as long as <see cref="ExpiresAt"/> says.</exception>
    /// <exception cref="ObjectDisposedException">The lease was released.</exception>
    public async ValueTask ExtendAsync(TimeSpan duration, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(duration, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(duration, LeaseTerms.LongestExpiry);
        ThrowIfLost();
        if (duration > LongestExpiry(_leases.Time.GetTimestamp()))
        {
            throw new ArgumentOutOfRangeException(
                nameof(duration),
                duration,
                Invariant($"Lock '{Name}' must not be held beyond its MaxHold of {Terms.MaxHold.TotalSeconds} seconds."));
        }

        await _leases.ExtendAsync(this, duration, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gives the lock back, or keeps it for the rest of its minimum hold. A lost lease frees nobody else's lock. Never throws for reasons of the store: the lock then ends by its expiry.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!IsReleased)
        {
            await _leases.EndAsync(this, keep: true, occurrence: null).ConfigureAwait(false);
        }
    }

    internal bool IsLost()
    {
        if (_state == State.Held && _leases.Time.GetTimestamp() >= DeadlineAt)
        {
            Lose(LeaseLoss.Expired);
        }

        return _state == State.Lost;
    }

    /// <summary>Ends the holder's belief in the lease, once; false if it had ended before, by loss or release.</summary>
    internal bool Lose(LeaseLoss loss)
    {
        if (TryLose(loss) is not { } callbacks)
        {
            return false;
        }

        OnLost(callbacks);
        return true;
    }

    /// <summary>As <see cref="Lose"/>, but nothing is said of it yet: <see cref="OnLost"/> has to follow. Never blocks.</summary>
    /// <returns>The callbacks on <see cref="Lost"/>, which run on the thread pool; null if the belief had ended before.</returns>
    internal Task? TryLose(LeaseLoss loss)
    {
        lock (_lost)
        {
            if (_state != State.Held)
            {
                return null;
            }

            bool atMaxHold = Terms.MaxHold > TimeSpan.Zero && DeadlineAt >= Deadline.After(_leases.Time, _acquiredAt, Terms.MaxHold);
            Loss = loss == LeaseLoss.Expired && atMaxHold ? LeaseLoss.HeldTooLong : loss;
            _state = State.Lost;
        }

        // Sets the token and its wait handle before it returns.
        Task callbacks = _lost.CancelAsync();
        _leases.Forget(this);
        return callbacks;
    }

    /// <summary>Logs and counts the loss.</summary>
    internal void OnLost(Task callbacks) => _leases.OnLost(this, callbacks);

    /// <summary>True if the lease was held until this moment.</summary>
    internal bool Release()
    {
        IsLost();
        lock (_lost)
        {
            bool held = _state == State.Held;
            _state = State.Released;
            return held;
        }
    }

    internal void OnRenewed() => _leases.OnRenewed(this);

    internal void Prolong(long deadline)
    {
        long current = DeadlineAt;
        while (deadline > current)
        {
            long seen = Interlocked.CompareExchange(ref _deadline, deadline, current);
            if (seen == current)
            {
                return;
            }

            current = seen;
        }
    }

    /// <summary>The longest expiry that may be asked for now: up to the end of the maximum hold.</summary>
    internal TimeSpan LongestExpiry(long now) =>
        Terms.MaxHold == TimeSpan.Zero ? TimeSpan.MaxValue : Terms.MaxHold - _leases.Time.GetElapsedTime(_acquiredAt, now);

    internal TimeSpan RemainingMinHold()
    {
        TimeSpan remaining = Terms.MinHold - _leases.Time.GetElapsedTime(_acquiredAt);
        return remaining > TimeSpan.Zero ? remaining : TimeSpan.Zero;
    }

    internal TaskLockLostException LostError(Exception? cause)
    {
        return new TaskLockLostException($"Lock '{Name}' was lost while the work was running: {DescribeLoss().Cause}. Its fencing token was {FencingToken}.", Name, cause);
    }

    /// <summary>How the lease was lost, and where to look, for logs and exceptions.</summary>
    internal (string Cause, string Advice) DescribeLoss() => Loss switch
    {
        LeaseLoss.Taken => (
            "another holder has taken it",
            "Look for a key that was deleted, a failover of the store, or a process that was frozen"),
        LeaseLoss.Gone => ("its key is gone from the store", "Look for a key that was deleted or evicted, or a failover of the store"),
        LeaseLoss.Broken => ("an operator has broken it", "Another execution may start before this one has stopped"),
        LeaseLoss.HeldTooLong => (
            Invariant($"it was held for its MaxHold of {Terms.MaxHold.TotalSeconds} seconds"),
            "Find out why the job takes so long, or set a longer MaxHold"),
        _ => (
            "it could not be renewed before its deadline",
            "Look for an outage of the store, or a process that was frozen; a longer Expire survives a longer outage"),
    };
}
