using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using static System.FormattableString;

namespace JobLocking;

/// <summary>
/// One holding of a lock, renewed in the background until it is disposed. Safe to use from several threads.
/// </summary>
public sealed class TaskLease : IAsyncDisposable
{
    internal TaskLease(Leases leases, HeldLease held)
    {
        Leases = leases;
        Held = held;
    }

    /// <summary>The resolved name of the lock.</summary>
    public string Name => Held.Name;

    /// <summary>
    /// A number that grows with each lease of this lock. A resource that remembers the highest number it has seen and refuses lower
    /// ones is safe even from a holder that was frozen while its lease expired.
    /// See <see href="https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html">How to do distributed locking</see>
    /// by Martin Kleppmann.
    /// </summary>
    public long FencingToken => Held.FencingToken;

    /// <summary>This holder, as other holders and operators see it.</summary>
    public LockHolder Holder => Held.Holder;

    /// <summary>
    /// The time, in UTC, at which the lease is lost if it is not renewed any more. It is a little earlier than the moment at which the
    /// store frees the lock, because clocks drift.
    /// </summary>
    public DateTimeOffset ExpiresAt => Held.ExpiresAt;

    /// <summary>
    /// Cancelled when the lease is lost: because it was not renewed in time, was taken away, or reached the end of
    /// <see cref="TaskLockAttribute.MaxHold"/>. Releasing the lease does not cancel it. A process that was frozen learns of a loss when
    /// it resumes; <see cref="ThrowIfLost"/> is exact.
    /// </summary>
    /// <remarks>
    /// By the deadline <see cref="CancellationToken.IsCancellationRequested"/> is true and the wait handle is set, however busy
    /// the thread pool is. Callbacks run on the thread pool: while all its threads are blocked, they run later.
    /// </remarks>
    public CancellationToken Lost => Held.Lost;

    internal Leases Leases { get; }

    /// <summary>The lease itself, which is registered and renewed. This class is only a handle on it.</summary>
    internal HeldLease Held { get; }

    internal LeaseLoss? Loss => Held.Loss;

    internal LockOccurrence? Occurrence => Held.Occurrence;

    /// <summary>Checks the clock, not only <see cref="Lost"/>. Call it immediately before a step that cannot be undone.</summary>
    /// <exception cref="TaskLockLostException">The lease is lost.</exception>
    /// <exception cref="ObjectDisposedException">The lease was released.</exception>
    public void ThrowIfLost()
    {
        ObjectDisposedException.ThrowIf(Held.IsReleased, this);
        if (IsLost())
        {
            throw LostError(cause: null);
        }
    }

    /// <summary>Makes the lease last at least this long from now. Renewal continues and never shortens it.</summary>
    /// <param name="duration">
    /// From now on; more than zero, at most 7 days. With a <see cref="TaskLockAttribute.MaxHold"/>, not beyond its end.
    /// </param>
    /// <param name="cancellationToken">Stops waiting for the answer; the lease may have been extended nevertheless.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The duration is not more than zero, is more than 7 days, or ends after <see cref="TaskLockAttribute.MaxHold"/>.
    /// </exception>
    /// <exception cref="TaskLockLostException">The lease is lost.</exception>
    /// <exception cref="TaskLockUnavailableException">The store is unavailable; the lease lasts until <see cref="ExpiresAt"/>.</exception>
    /// <exception cref="ObjectDisposedException">The lease was released.</exception>
    public async ValueTask ExtendAsync(TimeSpan duration, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(duration, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(duration, LeaseTerms.LongestExpiry);
        ThrowIfLost();
        if (duration > Held.LongestExpiry(Leases.Time.GetTimestamp()))
        {
            throw new ArgumentOutOfRangeException(
                nameof(duration),
                duration,
                Invariant($"Lock '{Name}' must not be held beyond its MaxHold of {Held.Terms.MaxHold.TotalSeconds} seconds."));
        }

        await Leases.ExtendAsync(Held, duration, cancellationToken).ConfigureAwait(false);
        ThrowIfLost();
    }

    /// <summary>
    /// Releases the lock, or keeps it taken for the rest of its minimum hold. If the lease was lost, the lock of its new holder is left
    /// alone. Never throws because of the store: the lock then ends by its expiry.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (!Held.IsReleased)
        {
            await Leases.EndAsync(Held, keep: true, occurrence: null).ConfigureAwait(false);
        }
    }

    /// <summary>Whether the lease is lost, by the clock too.</summary>
    internal bool IsLost() => Leases.Held.IsLost(Held);

    internal TaskLockLostException LostError(Exception? cause)
    {
        string how = Held.Loss.GetValueOrDefault().Describe(Held.Terms).Cause;
        return new TaskLockLostException(
            $"Lock '{Name}' was lost while the work was running: {how}. Its fencing token was {FencingToken}.", Name, cause);
    }
}
