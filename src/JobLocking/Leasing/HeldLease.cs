using JobLocking.Policy;
using JobLocking.Stores;

namespace JobLocking.Leasing;

/// <summary>
/// One lease of this process, from its acquire on: until when it is held, and whether it was lost or released. Only
/// <see cref="HeldLeases"/> ends it, so that a lease that has ended is never listed there. Users have a <see cref="TaskLease"/>.
/// </summary>
#pragma warning disable CA1001 // A token source without a timer holds no resources, and users may read the token after the release.
internal sealed class HeldLease
#pragma warning restore CA1001
{
    private readonly LeaseRequest _request;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _lost = new();
    private readonly long _acquiredAt;
    private long _deadline;
    private volatile State _state;

    public HeldLease(LeaseRequest request, string id, long fencingToken, long sentAt, TimeProvider time)
    {
        _request = request;
        _time = time;
        _acquiredAt = sentAt;
        _deadline = Deadline.After(time, sentAt, request.Terms.Expiry);
        Id = id;
        FencingToken = fencingToken;
    }

    private enum State
    {
        Held,
        Lost,
        Released,
    }

    public string Id { get; }

    public long FencingToken { get; }

    public string Name => _request.Name;

    public string Template => _request.Template;

    public LockHolder Holder => _request.Holder;

    public LeaseTerms Terms => _request.Terms;

    public LockOccurrence? Occurrence => _request.Occurrence;

    public LockWorkers? Workers => _request.Workers;

    /// <summary>The deadline as UTC.</summary>
    public DateTimeOffset ExpiresAt => _time.GetUtcNow() + Deadline.Until(_time, DeadlineAt);

    public long DeadlineAt => Volatile.Read(ref _deadline);

    public TimeSpan HeldFor => _time.GetElapsedTime(_acquiredAt);

    /// <summary>Cancelled when the lease is lost.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>How the lease was lost; null until then.</summary>
    public LeaseLoss? Loss { get; private set; }

    public bool IsLost => _state == State.Lost;

    public bool IsReleased => _state == State.Released;

    /// <summary>Whether the deadline has passed and the holder has not been notified yet.</summary>
    public bool IsOverdue => _state == State.Held && _time.GetTimestamp() >= DeadlineAt;

    /// <summary>When the renewal loop has to act: at the next renewal, or at the deadline. Belongs to <see cref="DueTimes"/>.</summary>
    public long DueAt { get; set; }

    /// <summary>Whether <see cref="DueAt"/> is still in the future. Belongs to <see cref="DueTimes"/>.</summary>
    public bool IsScheduled { get; set; }

    /// <summary>Whether it is in the registry. Belongs to <see cref="HeldLeases"/>.</summary>
    public bool IsListed { get; set; }

    /// <summary>The lease of the same lock and process that was acquired before this one. Belongs to <see cref="HeldLeases"/>.</summary>
    public HeldLease? Older { get; set; }

    /// <summary>Whether the metrics count it as held. Belongs to <see cref="HeldLeases"/>.</summary>
    public bool IsCounted { get; set; }

    /// <summary>Whether a renewal is on its way. Belongs to <see cref="RenewalLoop"/>.</summary>
    public bool IsRenewing { get; set; }

    /// <summary>Neither lost nor released, and before its deadline.</summary>
    public bool IsHeldAt(long now) => _state == State.Held && now < DeadlineAt;

    /// <summary>Ends the holder's belief in the lease. Never blocks.</summary>
    /// <returns>The callbacks on <see cref="Lost"/>, which run on the thread pool; null if the lease was lost or released before.</returns>
    public Task? TryLose(LeaseLoss loss)
    {
        lock (_lost)
        {
            if (_state != State.Held)
            {
                return null;
            }

            bool atMaxHold = Terms.MaxHold > TimeSpan.Zero && DeadlineAt >= Deadline.After(_time, _acquiredAt, Terms.MaxHold);
            Loss = loss == LeaseLoss.Expired && atMaxHold ? LeaseLoss.HeldTooLong : loss;
            _state = State.Lost;
        }

        // Sets the token and its wait handle before it returns.
        return _lost.CancelAsync();
    }

    /// <returns>True if the lease was held until now.</returns>
    public bool Release()
    {
        lock (_lost)
        {
            bool held = _state == State.Held;
            _state = State.Released;
            return held;
        }
    }

    /// <summary>Moves the deadline, but never to an earlier moment.</summary>
    public void Prolong(long deadline)
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

    /// <summary>The longest expiry that may be requested now: up to the end of the maximum hold.</summary>
    public TimeSpan LongestExpiry(long now) =>
        Terms.MaxHold == TimeSpan.Zero ? TimeSpan.MaxValue : Terms.MaxHold - _time.GetElapsedTime(_acquiredAt, now);

    public TimeSpan RemainingMinHold()
    {
        TimeSpan remaining = Terms.MinHold - _time.GetElapsedTime(_acquiredAt);
        return remaining > TimeSpan.Zero ? remaining : TimeSpan.Zero;
    }
}
