using System.Runtime.CompilerServices;
using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;

namespace JobLocking.Waiting;

/// <summary>Takes a lock for one who is ready to wait: for jobs and by hand, the one path.</summary>
internal sealed class LockAcquirer(Leases leases, LocalWaiters queue, StoreNotifications notifications, MetricsReporter metrics, TimeProvider time)
{
    /// <summary>Asks, and while the lock is taken waits for the turn and asks again; once more at the end, since not all who free a lock tell of it.</summary>
    /// <param name="wanted">The lease.</param>
    /// <param name="waiter">Its place in the queue; null not to be parked. Left if this is cancelled; else, without a lease, and when the store cannot be asked, the caller's to leave or to keep.</param>
    /// <param name="wait">For how long.</param>
    /// <param name="endOfWait">Ends the waiting before its time, and it is not asked once more: whoever stops does not begin.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public ValueTask<(AcquireResult Result, TaskLease? Lease)> AcquireAsync(
        LeaseRequest wanted, Waiter? waiter, TimeSpan wait, CancellationToken endOfWait, CancellationToken cancellationToken)
    {
        notifications.Begin();
        return waiter is null ? leases.AcquireAsync(wanted, entry: null, cancellationToken) : WaitAsync(wanted, waiter, wait, endOfWait, cancellationToken);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(AcquireResult Result, TaskLease? Lease)> WaitAsync(
        LeaseRequest wanted, Waiter waiter, TimeSpan wait, CancellationToken endOfWait, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        queue.Enter(waiter);
        long? waitedSince = null;
        bool isOver = false;
        try
        {
            for (; ; )
            {
                (AcquireResult Result, TaskLease? Lease) answer;
                try
                {
                    answer = await leases.AcquireAsync(wanted, waiter.Entry, cancellationToken).ConfigureAwait(false);
                }
                catch (TaskLockUnavailableException e) when (
                    e.WasGranted && waiter.Spends is null && !isOver && !endOfWait.IsCancellationRequested && Left(wait, start) is not null)
                {
                    // The answer came too late for this lease, which is given back. The next one has its own time. A deferral that it
                    // has spent cannot be spent again before that: its wait goes on as another deferral.
                    continue;
                }

                if (answer.Lease is not null)
                {
                    queue.Served(waiter);
                    Waited(wanted, waitedSince, TagValues.Granted);
                    return answer;
                }

                if (answer.Result.Outcome == AcquireOutcome.DeferralSpent)
                {
                    Waited(wanted, waitedSince, TagValues.Of(answer.Result.Outcome));
                    return answer;
                }

                queue.Refused(waiter, answer.Result);
                if (answer.Result.Outcome != AcquireOutcome.Contended || isOver || endOfWait.IsCancellationRequested || Left(wait, start) is not { } left)
                {
                    Waited(wanted, waitedSince, TagValues.Of(answer.Result.Outcome));
                    return answer;
                }

                waitedSince ??= start;
                isOver = !await queue.WakeUpAsync(waiter, left, endOfWait, cancellationToken).ConfigureAwait(false);
                if (isOver && endOfWait.IsCancellationRequested)
                {
                    Waited(wanted, waitedSince, TagValues.Of(answer.Result.Outcome));
                    return answer;
                }
            }
        }
        catch (TaskLockUnavailableException e)
        {
            queue.Unanswered(waiter, e.MayHoldLease);
            Waited(wanted, waitedSince, TagValues.Unavailable);
            throw;
        }
        catch (Exception e)
        {
            queue.Leave(waiter);
            Waited(wanted, waitedSince, TagValues.Of(e));
            throw;
        }
    }

    private void Waited(LeaseRequest wanted, long? since, string outcome)
    {
        if (since is { } start)
        {
            metrics.Waited(wanted, outcome, time.GetElapsedTime(start));
        }
    }

    /// <summary>What is left of the wait; null at its end.</summary>
    private TimeSpan? Left(TimeSpan wait, long start) =>
        wait == Timeout.InfiniteTimeSpan ? wait : wait - time.GetElapsedTime(start) is { Ticks: > 0 } left ? left : null;
}
