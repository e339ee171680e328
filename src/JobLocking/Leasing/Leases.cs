using System.Runtime.CompilerServices;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;
using static System.FormattableString;

namespace JobLocking.Leasing;

/// <summary>
/// Takes leases from the store and gives them back, for jobs and by hand alike. What the store may have done although it
/// did not answer is set right here.
/// </summary>
internal sealed class Leases(
    ILockStore store, StoreGate gate, RenewalLoop renewal, BackgroundWork background, MetricsReporter metrics, TimeProvider time, ILogger logger)
{
    private const int AcquireAttempts = 2;

    public TimeProvider Time => time;

    public LocalHolders Local { get; } = new(time);

    /// <summary>One logical acquire. Throws <see cref="TaskLockUnavailableException"/> if it is not known to be granted or refused.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<(AcquireResult Result, TaskLease? Lease)> AcquireAsync(LeaseRequest wanted, WaiterEntry? entry, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();

        AcquireRequest request = new(wanted.Name, LeaseId.New(), wanted.Terms.Expiry, wanted.Holder, wanted.Occurrence, wanted.Terms.Limit, entry);
        long askedAt = time.GetTimestamp();
        try
        {
            (AcquireResult Result, TaskLease? Lease) answer = await AskAsync(wanted, request, cancellationToken).ConfigureAwait(false);
            metrics.StoreAsked(wanted.Template, wanted.Holder.Scheduler, TagValues.Of(answer.Result.Outcome), time.GetElapsedTime(askedAt));
            return answer;
        }
        catch (Exception e)
        {
            metrics.StoreAsked(wanted.Template, wanted.Holder.Scheduler, TagValues.Of(e), time.GetElapsedTime(askedAt));
            throw;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(AcquireResult Result, TaskLease? Lease)> AskAsync(
        LeaseRequest wanted, AcquireRequest request, CancellationToken cancellationToken)
    {
        string name = request.Name;
        bool mayHold = false;
        for (int attempt = 1; ; attempt++)
        {
            long sentAt = time.GetTimestamp();
            try
            {
                AcquireResult result = await gate.AcquireAsync(request, wanted.Workers, isRetry: attempt > 1, cancellationToken).ConfigureAwait(false);
                if (result.Outcome != AcquireOutcome.Granted)
                {
                    return (result, null);
                }

                sentAt = result.SentAt == 0 ? sentAt : result.SentAt;
                TaskLease lease = new(this, wanted, request.LeaseId, result.FencingToken, sentAt);
                if (lease.DeadlineAt > time.GetTimestamp())
                {
                    Begin(lease, sentAt);
                    return (result, lease);
                }

                Compensate(request);
                throw new TaskLockUnavailableException(
                    Invariant($"Lock '{name}' was granted, but the answer took longer than its expiry of {request.Expiry.TotalSeconds} seconds."),
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
                if (attempt == AcquireAttempts || !e.MayHaveBeenApplied)
                {
                    if (mayHold)
                    {
                        Compensate(request);
                    }

                    gate.Unavailable(name, e);
                    throw new TaskLockUnavailableException($"Lock '{name}' could not be acquired: {e.Message}", name, e)
                    {
                        MayHoldLease = mayHold,
                    };
                }
            }
            catch (Exception e) when (e is not TaskLockUnavailableException)
            {
                // Cancelled, or a fault of the store's that nobody has thought of: either way it may hold the lock.
                Compensate(request);
                throw;
            }
        }
    }

    private void Begin(TaskLease lease, long sentAt)
    {
        metrics.LeaseBegan(lease);
        Local.Add(lease);
        try
        {
            renewal.Add(lease, sentAt);
        }
        catch
        {
            // A lease that is not renewed is none. The caller gives it back.
            Forget(lease);
            throw;
        }
    }

    /// <summary>Ends a lease, lost or not.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask EndAsync(TaskLease lease, bool keep, OccurrenceEnd? occurrence)
    {
        bool held = lease.Release();
        if (held)
        {
            metrics.LeaseReleased(lease);
        }

        Forget(lease);
        if (!held && occurrence is null && lease.Loss is not (LeaseLoss.Expired or LeaseLoss.HeldTooLong))
        {
            return;
        }

        // A lease whose deadline passed may still have its key, which nobody shall wait for. The store compares the id.
        try
        {
            ReleaseOutcome outcome = await gate.ReleaseAsync(Release(lease, held && keep, occurrence), lease.Workers).ConfigureAwait(false);
            if (held && outcome != ReleaseOutcome.Released)
            {
                Log.ReleasedTooLate(logger, lease.Name, lease.FencingToken, outcome);
            }
            else
            {
                Log.Released(logger, lease.Name, lease.FencingToken, outcome);
            }
        }
        catch (LockStoreException e)
        {
            ReleaseLater(lease, held && keep, occurrence, e);
        }
    }

    public async ValueTask ExtendAsync(TaskLease lease, TimeSpan duration, CancellationToken cancellationToken)
    {
        // A store goes on where it was called to renew, and a caller may block the one thread on which it waits for the answer.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);

        RenewResult answer = default;
        LockStoreException? error = null;
        long sentAt = time.GetTimestamp();
        try
        {
            RenewRequest[] request = [new(lease.Name, lease.Id, duration, lease.Occurrence, lease.Terms.Limit)];
            await store.RenewAsync(request, answers => answer = answers.Count > 0 ? answers[0] : answer, cancellationToken).ConfigureAwait(false);
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
                lease.Lose(LeaseLoss.Taken);
                break;
            case RenewOutcome.Missing:
                lease.Lose(LeaseLoss.Gone);
                break;
            default:
                throw new TaskLockUnavailableException($"Lock '{lease.Name}' could not be extended: {error?.Message ?? "the store did not answer"}", lease.Name, error);
        }

        lease.ThrowIfLost();
    }

    /// <summary>The store of a lease has answered for it.</summary>
    public void OnRenewed(TaskLease lease) => gate.Answered(lease.Name);

    /// <summary>The lease has ended for its holder.</summary>
    public void Forget(TaskLease lease)
    {
        Local.Remove(lease);
        renewal.Remove(lease);
    }

    public void OnLost(TaskLease lease, Task callbacks)
    {
        metrics.LeaseLost(lease, lease.Loss!.Value);
        (string cause, string advice) = lease.DescribeLoss();
        Log.LeaseLost(logger, lease.Name, lease.FencingToken, lease.Loss!.Value, lease.Holder, cause, advice);
        background.Add(ObserveAsync(lease.Name, callbacks));
    }

    /// <summary>The rest of the minimum hold is counted when it is sent, each time.</summary>
    private static ReleaseRequest Release(TaskLease lease, bool keep, OccurrenceEnd? occurrence) =>
        new(lease.Name, lease.Id, keep ? lease.RemainingMinHold() : TimeSpan.Zero, occurrence, lease.Terms.Limit);

    private void ReleaseLater(TaskLease lease, bool keep, OccurrenceEnd? occurrence, LockStoreException error)
    {
        // By then it is gone: what it had left of an extension, or of an expiry that a renewal under way may have begun anew.
        TimeSpan left = Deadline.Until(time, lease.DeadlineAt) + Deadline.Drift(lease.Terms.Expiry);
        TimeSpan expiry = left > lease.Terms.Expiry ? left : lease.Terms.Expiry;
        Log.ReleaseFailed(logger, error, lease.Name, expiry);
        background.Add(ReleaseAgainAsync(() => Release(lease, keep, occurrence), expiry));
    }

    private void Compensate(AcquireRequest request)
    {
        OccurrenceEnd? occurrence = request.Occurrence is { } running ? new OccurrenceEnd(running, request.Holder, OccurrenceOutcome.Unfinished, TimeSpan.Zero) : null;
        string? spent = request.Waiter?.Spends;
        ReleaseRequest release = new(request.Name, request.LeaseId, Occurrence: occurrence, Limit: request.Limit, Spends: spent);
        background.Add(ReleaseAgainAsync(() => release, request.Expiry));
    }

    /// <summary>
    /// Until it is answered, or the lease has ended by itself, or the container is gone. The mark of an occurrence outlives its lease and is worth
    /// more patience: without it a standby would run the occurrence again.
    /// </summary>
    private async Task ReleaseAgainAsync(Func<ReleaseRequest> request, TimeSpan expiry)
    {
        TimeSpan patience = request().Occurrence is { Retention: var retention } && retention > expiry ? retention : expiry;
        long start = time.GetTimestamp();
        for (TimeSpan pause = TimeSpan.FromMilliseconds(50); ; pause = pause * 2 > TimeSpan.FromSeconds(5) ? TimeSpan.FromSeconds(5) : pause * 2)
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

            // Its end is one more try, and the last.
            await Task.Delay(pause, time, background.Ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ObserveAsync(string name, Task callbacks)
    {
        try
        {
            await callbacks.ConfigureAwait(false);
        }
        catch (AggregateException e)
        {
            Log.LostCallbackFailed(logger, e, name);
        }
    }
}
