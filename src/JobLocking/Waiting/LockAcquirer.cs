using System.Runtime.CompilerServices;
using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;

namespace JobLocking.Waiting;

/// <summary>
/// The one path to a lock, for jobs and for locks taken by hand: asks the store and, if the caller wants that, waits in place.
/// </summary>
internal sealed class LockAcquirer(
    Leases leases, LocalWaiters waiters, StoreNotifications notifications, MetricsReporter metrics, TimeProvider time)
{
    /// <summary>
    /// Asks for the lock. While it is taken, waits for a wake-up and asks again; once more at the end, since not every client that frees a
    /// lock wakes waiters.
    /// </summary>
    /// <param name="wanted">The lease.</param>
    /// <param name="waiter">
    /// Its waiter; null if it is not to enter the waiting queue. It leaves the queue when this is cancelled. Without a lease, and when the
    /// store is unavailable, the caller decides whether it leaves.
    /// </param>
    /// <param name="wait">How long to wait in place at most.</param>
    /// <param name="endOfWait">Ends the wait early, without asking once more: a scheduler that stops does not begin a job.</param>
    /// <param name="cancellationToken">Cancels the acquire.</param>
    public ValueTask<(AcquireResult Result, HeldLease? Lease)> AcquireAsync(
        LeaseRequest wanted, Waiter? waiter, TimeSpan wait, CancellationToken endOfWait, CancellationToken cancellationToken)
    {
        notifications.Begin();
        return waiter is null
            ? leases.AcquireAsync(wanted, entry: null, cancellationToken)
            : WaitAsync(wanted, waiter, wait, endOfWait, cancellationToken);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(AcquireResult Result, HeldLease? Lease)> WaitAsync(
        LeaseRequest wanted, Waiter waiter, TimeSpan wait, CancellationToken endOfWait, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        waiters.Add(waiter);
        long? waitedSince = null;
        bool isOver = false;
        try
        {
            for (; ; )
            {
                (AcquireResult Result, HeldLease? Lease) answer;
                try
                {
                    answer = await leases.AcquireAsync(wanted, waiter.Entry, cancellationToken).ConfigureAwait(false);
                }
                catch (TaskLockUnavailableException e) when (
                    e.WasGranted && waiter.Spends is null && !isOver && !endOfWait.IsCancellationRequested && Left(wait, start) is not null)
                {
                    // The answer came too late for this lease, which is released again. The next acquire has its own time. A deferral that
                    // the lease has spent is different: it cannot be spent again before that release, and goes on as another deferral.
                    continue;
                }

                if (answer.Lease is not null)
                {
                    waiters.OnGranted(waiter);
                    Waited(wanted, waitedSince, TagValues.Granted);
                    return answer;
                }

                if (answer.Result.Outcome == AcquireOutcome.DeferralSpent)
                {
                    Waited(wanted, waitedSince, answer.Result.Outcome.Tag());
                    return answer;
                }

                waiters.OnRefused(waiter, answer.Result);
                if (answer.Result.Outcome != AcquireOutcome.Contended || isOver || endOfWait.IsCancellationRequested
                    || Left(wait, start) is not { } left)
                {
                    Waited(wanted, waitedSince, answer.Result.Outcome.Tag());
                    return answer;
                }

                waitedSince ??= start;
                isOver = !await waiters.WaitInPlaceAsync(waiter, left, endOfWait, cancellationToken).ConfigureAwait(false);
                if (isOver && endOfWait.IsCancellationRequested)
                {
                    Waited(wanted, waitedSince, answer.Result.Outcome.Tag());
                    return answer;
                }
            }
        }
        catch (TaskLockUnavailableException e)
        {
            waiters.OnUnanswered(waiter, e.MayHoldLease);
            Waited(wanted, waitedSince, TagValues.Unavailable);
            throw;
        }
        catch (Exception e)
        {
            waiters.Leave(waiter);
            Waited(wanted, waitedSince, TagValues.Of(e));
            throw;
        }
    }

    private void Waited(LeaseRequest wanted, long? since, string outcome)
    {
        if (since is { } start)
        {
            metrics.Waited(wanted.Template, wanted.Holder.Scheduler, outcome, time.GetElapsedTime(start));
        }
    }

    /// <summary>The remaining time of the wait; null at its end.</summary>
    private TimeSpan? Left(TimeSpan wait, long start) =>
        wait == Timeout.InfiniteTimeSpan ? wait : wait - time.GetElapsedTime(start) is { Ticks: > 0 } left ? left : null;
}
