using System.Runtime.CompilerServices;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;
using static System.FormattableString;

namespace JobLocking.Leasing;

/// <summary>
/// Acquires, extends and releases leases, for jobs and for locks taken by hand. Where the store may have granted a lease and did not
/// answer, a release for that lease id follows in the background.
/// </summary>
internal sealed class Leases(
    ILockStore store,
    StoreGate gate,
    HeldLeases held,
    RenewalLoop renewal,
    BackgroundWork background,
    MetricsReporter metrics,
    TimeProvider time,
    ILogger logger)
{
    public TimeProvider Time => time;

    /// <summary>All leases that this process holds.</summary>
    public HeldLeases Held => held;

    /// <summary>One logical acquire.</summary>
    /// <exception cref="TaskLockUnavailableException">It is not known whether the lock was granted or refused.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<(AcquireResult Result, HeldLease? Lease)> AcquireAsync(
        LeaseRequest wanted, WaiterEntry? entry, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();

        AcquireRequest request = new(
            wanted.Name, LeaseId.New(), wanted.Terms.Expiry, wanted.Holder, wanted.Occurrence, wanted.Terms.Limit, entry)
        {
            AsksWhetherHolderAnswers = wanted.AsksWhetherHolderAnswers,
        };
        long askedAt = time.GetTimestamp();
        try
        {
            (AcquireResult Result, HeldLease? Lease) answer = await SendAsync(wanted, request, cancellationToken).ConfigureAwait(false);
            Asked(wanted, answer.Result.Outcome.Tag(), askedAt);
            return answer;
        }
        catch (Exception e)
        {
            Asked(wanted, TagValues.Of(e), askedAt);
            throw;
        }
    }

    /// <summary>Ends a lease, lost or not. Never throws because of the store.</summary>
    /// <param name="lease">The lease.</param>
    /// <param name="keep">Whether the lock stays taken for the rest of the minimum hold.</param>
    /// <param name="occurrence">How the run of its occurrence ended; null for none.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask EndAsync(HeldLease lease, bool keep, OccurrenceEnd? occurrence)
    {
        bool wasHeld = held.Release(lease);
        if (!wasHeld && occurrence is null && lease.Loss is not (LeaseLoss.Expired or LeaseLoss.HeldTooLong))
        {
            return;
        }

        // The key of a lease whose deadline has passed may still exist, and others would wait for it. The store compares the lease id.
        try
        {
            ReleaseRequest request = Release(lease, wasHeld && keep, occurrence);
            ReleaseOutcome outcome = await gate.ReleaseAsync(request, lease.Workers).ConfigureAwait(false);
            if (wasHeld && outcome != ReleaseOutcome.Released)
            {
                Log.ReleasedTooLate(logger, lease.Name, lease.FencingToken, outcome.Text());
            }
            else
            {
                Log.Released(logger, lease.Name, lease.FencingToken, outcome.Text());
            }
        }
        catch (LockStoreException e)
        {
            ReleaseLater(lease, wasHeld && keep, occurrence, e);
        }
    }

    /// <summary>
    /// Whether a lease runs a stored job, of this process or another, or has just run it. If the store does not answer, it may.
    /// </summary>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async ValueTask<bool> MayBeRunAsync(LeaseRequest wanted, CancellationToken cancellationToken)
    {
        try
        {
            return await gate.IsMarkedAsync(wanted.Name, wanted.Occurrence!, wanted.Workers, cancellationToken).ConfigureAwait(false);
        }
        catch (LockStoreException e)
        {
            gate.Unavailable(wanted.Name, e);
            return true;
        }
    }

    /// <summary>
    /// Makes a lease last at least this long from now. It is lost if the store says that it does not hold the lock any more.
    /// </summary>
    /// <exception cref="TaskLockUnavailableException">The store did not answer.</exception>
    public async ValueTask ExtendAsync(HeldLease lease, TimeSpan duration, CancellationToken cancellationToken)
    {
        // A store continues where it was called to renew, and a caller may block the only thread of its scheduler while it waits.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);

        RenewResult answer = default;
        LockStoreException? error = null;
        long sentAt = time.GetTimestamp();
        try
        {
            RenewRequest[] request = [new(lease.Name, lease.Id, duration, lease.Occurrence, lease.Terms.Limit)];
            await store.RenewAsync(request, answers => answer = answers.Count > 0 ? answers[0] : answer, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (LockStoreException e)
        {
            error = e;
        }

        switch (answer.Outcome)
        {
            case RenewOutcome.Renewed:
                lease.Prolong(Deadline.After(time, answer.SentAt == 0 ? sentAt : answer.SentAt, duration));
                break;
            case RenewOutcome.NotYours:
                held.Lose(lease, LeaseLoss.Taken);
                break;
            case RenewOutcome.Missing:
                held.Lose(lease, LeaseLoss.Gone);
                break;
            default:
                throw new TaskLockUnavailableException(
                    $"Lock '{lease.Name}' could not be extended: {error?.Message ?? "the store did not answer"}", lease.Name, error);
        }
    }

    /// <summary>Sends an acquire, a second time with the same lease id if it was not answered.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(AcquireResult Result, HeldLease? Lease)> SendAsync(
        LeaseRequest wanted, AcquireRequest request, CancellationToken cancellationToken)
    {
        string name = request.Name;
        bool mayHold = false;
        for (int attempt = 1; ; attempt++)
        {
            long sentAt = time.GetTimestamp();
            try
            {
                AcquireResult result = await gate.AcquireAsync(request, wanted.Workers, isRetry: attempt > 1, cancellationToken)
                    .ConfigureAwait(false);
                if (result.Outcome != AcquireOutcome.Granted)
                {
                    return (result, null);
                }

                sentAt = result.SentAt == 0 ? sentAt : result.SentAt;
                HeldLease lease = new(wanted, request.LeaseId, result.FencingToken, sentAt, time);
                if (lease.DeadlineAt > time.GetTimestamp())
                {
                    Begin(lease, sentAt);
                    return (result, lease);
                }

                Compensate(request);
                throw new TaskLockUnavailableException(
                    Invariant($"Lock '{name}' was granted, but the answer took longer than its Expire of {request.Expiry.TotalSeconds} s."),
                    name,
                    null)
                {
                    WasGranted = true,
                    MayHoldLease = true,
                };
            }
            catch (LockStoreException e)
            {
                mayHold |= e.MayHaveBeenApplied;
                if (attempt == LeaseTimes.AcquireAttempts || !e.MayHaveBeenApplied)
                {
                    if (mayHold)
                    {
                        Compensate(request);
                    }

                    gate.Unavailable(name, e);
                    throw new TaskLockUnavailableException($"Could not acquire lock '{name}': {e.Message}", name, e)
                    {
                        MayHoldLease = mayHold,
                    };
                }
            }
            catch (Exception e) when (e is not TaskLockUnavailableException)
            {
                // Cancelled, or an unexpected fault of the store: either way the lock may have been granted.
                Compensate(request);
                throw;
            }
        }
    }

    private void Begin(HeldLease lease, long sentAt)
    {
        try
        {
            renewal.Add(lease, sentAt);
        }
        catch
        {
            // A lease that is not renewed must not be used. The caller releases it.
            held.Release(lease);
            throw;
        }
    }

    private void Asked(LeaseRequest wanted, string outcome, long askedAt) =>
        metrics.StoreAsked(wanted.Template, wanted.Holder.Scheduler, outcome, time.GetElapsedTime(askedAt));

    /// <summary>Built each time it is sent, since the rest of the minimum hold gets shorter.</summary>
    private static ReleaseRequest Release(HeldLease lease, bool keep, OccurrenceEnd? occurrence) =>
        new(lease.Name, lease.Id, keep ? lease.RemainingMinHold() : TimeSpan.Zero, occurrence, lease.Terms.Limit);

    private void ReleaseLater(HeldLease lease, bool keep, OccurrenceEnd? occurrence, LockStoreException error)
    {
        // When the lease ends at the latest: an extension may last longer, and a renewal that was on its way may have given it a full
        // expiry.
        TimeSpan left = Deadline.Until(time, lease.DeadlineAt) + LeaseTimes.Drift(lease.Terms.Expiry);
        TimeSpan expiry = left > lease.Terms.Expiry ? left : lease.Terms.Expiry;
        Log.ReleaseFailed(logger, error, lease.Name, expiry);
        background.Add(ReleaseAgainAsync(() => Release(lease, keep, occurrence), expiry));
    }

    /// <summary>
    /// Takes back what the store may have granted: the lease, the mark of its occurrence and the deferral that it spends.
    /// </summary>
    private void Compensate(AcquireRequest request)
    {
        OccurrenceEnd? occurrence = request.Occurrence is { } running
            ? new OccurrenceEnd(running, request.Holder, OccurrenceOutcome.Unfinished, TimeSpan.Zero)
            : null;
        string? spent = request.Waiter?.Spends;
        ReleaseRequest release = new(request.Name, request.LeaseId, Occurrence: occurrence, Limit: request.Limit, Spends: spent);
        background.Add(ReleaseAgainAsync(() => release, request.Expiry));
    }

    /// <summary>
    /// Sends a release until it is answered, or the lease has ended by itself, or the container is disposed. The mark of an occurrence
    /// outlives its lease, so its release is repeated for longer: without the mark, a standby would run the occurrence again.
    /// </summary>
    private async Task ReleaseAgainAsync(Func<ReleaseRequest> request, TimeSpan expiry)
    {
        TimeSpan patience = request().Occurrence is { Retention: var retention } && retention > expiry ? retention : expiry;
        long start = time.GetTimestamp();
        TimeSpan pause = LeaseTimes.FirstReleaseRetry;
        while (true)
        {
            try
            {
                await store.ReleaseAsync(request(), CancellationToken.None).ConfigureAwait(false);
                gate.Answered(request().Name);
                return;
            }
            catch (LockStoreException e)
            {
                if (background.Ended.IsCancellationRequested || time.GetElapsedTime(start) >= patience)
                {
                    Log.ReleaseGivenUp(logger, e, request().Name);
                    return;
                }
            }

            // When the container is disposed, the release is sent once more at once.
            await Task.Delay(pause, time, background.Ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < LeaseTimes.LongestReleaseRetry ? pause * 2 : LeaseTimes.LongestReleaseRetry;
        }
    }
}
