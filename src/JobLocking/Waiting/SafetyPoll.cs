using System.Security.Cryptography;
using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Waiting;

/// <summary>
/// The safety poll: finds wake-ups that were lost and holders that died. It decides when a lock is polled and for which waiters, and
/// reports to the owner of the waiters what it has found.
/// </summary>
/// <param name="gate">The lock of the owner: waiters are read, and the owner is notified, only under it.</param>
/// <param name="found">Tells the owner.</param>
/// <param name="store">The store.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">The log.</param>
internal sealed class SafetyPoll(Lock gate, SafetyPoll.Found found, StoreGate store, TimeProvider time, ILogger logger)
{
    private bool _isEnded;

    /// <summary>Something has happened to a waiter.</summary>
    /// <param name="waiter">The waiter; it may have gone since the poll was sent.</param>
    /// <param name="happened">What has happened.</param>
    /// <param name="queuedSince">For <see cref="WaiterEvent.Polled"/>: since when it is in the queue; 0 if it is not.</param>
    internal delegate void Found(Waiter waiter, WaiterEvent happened, long queuedSince);

    /// <summary>Draws a number from the first up to the second. The simulation draws it from a seed.</summary>
    internal Func<int, int, int> Chance { private get; set; } = RandomNumberGenerator.GetInt32;

    /// <summary>
    /// Polls when the holder has expired, after a small random delay so that not all processes poll at once, but soon in any case.
    /// </summary>
    /// <param name="waiters">The waiters of the lock.</param>
    /// <param name="timeLeft">Until the holder expires; null if that is not known.</param>
    public void Arm(WaitersOfLock waiters, TimeSpan? timeLeft)
    {
        TimeSpan delay = TimeSpan.FromMilliseconds(
            Chance((int)WaitingTimes.ShortestPollDelay.TotalMilliseconds, (int)WaitingTimes.LongestPollDelay.TotalMilliseconds));
        TimeSpan expired = (timeLeft ?? WaitingTimes.LongestPollInterval) + delay;
        ArmAt(waiters, After(expired < WaitingTimes.LongestPollInterval ? expired : WaitingTimes.LongestPollInterval));
    }

    /// <summary>The connection is back: wake-ups and the queue may have been lost.</summary>
    public void PollNow(WaitersOfLock waiters)
    {
        waiters.IsInDoubt = true;
        ArmAt(waiters, time.GetTimestamp());
    }

    public static void Disarm(WaitersOfLock waiters) => waiters.PollTimer?.Dispose();

    /// <summary>The services were disposed of: no lock is polled any more.</summary>
    public void End() => _isEnded = true;

    private void ArmAt(WaitersOfLock waiters, long moment)
    {
        if (_isEnded || waiters.IsPolling || waiters.IsEmpty || moment >= waiters.PollAt)
        {
            return;
        }

        waiters.PollAt = moment;
        waiters.PollTimer ??= CreateTimer(waiters);
        double wait = Math.Max(0, Math.Ceiling(Deadline.Until(time, moment).TotalMilliseconds));
        waiters.PollTimer.Change(TimeSpan.FromMilliseconds(wait), Timeout.InfiniteTimeSpan);
    }

    private ITimer CreateTimer(WaitersOfLock waiters)
    {
        // Otherwise it would run in the context of a job: with its ambient lease, in its trace.
        using (ExecutionContext.SuppressFlow())
        {
            return time.CreateTimer(_ => OnTimer(waiters), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    private void OnTimer(WaitersOfLock waiters)
    {
        lock (gate)
        {
            waiters.PollAt = long.MaxValue;
            if (waiters.IsPolling || waiters.IsEmpty)
            {
                return;
            }

            waiters.IsPolling = true;
        }

        _ = PollAsync(waiters);
    }

    private async Task PollAsync(WaitersOfLock waiters)
    {
        TimeSpan? timeLeft = null;
        bool wasDoubted = false;
        try
        {
            foreach (Waiter waiter in Pollers(waiters))
            {
                for (bool isMore = true; isMore;)
                {
                    PollRequest request = Request(waiters, waiter, out List<Waiter> others);
                    PollResult result = await store.PollAsync(request, CancellationToken.None).ConfigureAwait(false);
                    timeLeft = Shorter(timeLeft, result.TimeLeft);
                    isMore = Apply(waiters, waiter, others, result, ref wasDoubted);
                    if (isMore && result.IsFree)
                    {
                        // It is asking by now, and must not be entered into the queue meanwhile. The next poll is for another waiter.
                        timeLeft = TimeSpan.Zero;
                        break;
                    }
                }
            }
        }
#pragma warning disable CA1031 // The next poll may succeed.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.PollFailed(logger, e, waiters.Name);
            Failed(waiters);
        }

        lock (gate)
        {
            waiters.IsPolling = false;
            Arm(waiters, timeLeft);
        }
    }

    private List<Waiter> Pollers(WaitersOfLock waiters)
    {
        lock (gate)
        {
            TakeCare(waiters);
            return waiters.Pollers(IsDue);
        }
    }

    /// <summary>Forgets the waiters whose time is over, and renews the entries of those that go on waiting in place.</summary>
    private void TakeCare(WaitersOfLock waiters)
    {
        long now = time.GetTimestamp();
        while (waiters.NextForCare is { } waiter && waiter.CareAt <= now)
        {
            if (waiter.LapsesAt <= now)
            {
                found(waiter, WaiterEvent.Lapsed, 0);
            }

            if (waiter.IsListed && waiter.Stage.IsInPlace())
            {
                waiters.Doubt(waiter);
                waiters.CareLater(waiter, Deadline.Add(time, now, WaitingTimes.LongestPollInterval));
            }
            else if (waiter.IsListed)
            {
                waiters.CareLater(waiter, waiter.LapsesAt);
            }
        }
    }

    /// <summary>
    /// One request checks the entries of other waiters as well: after a loss of the queue the others would otherwise get their entries
    /// back one by one. A waiter that is asking just now gets its entry in that way, and a deferral that is due may have come back
    /// elsewhere.
    /// </summary>
    private PollRequest Request(WaitersOfLock waiters, Waiter waiter, out List<Waiter> others)
    {
        others = [];
        lock (gate)
        {
            if (waiters.IsInDoubt)
            {
                waiters.IsInDoubt = false;
                waiters.DoubtAll();
            }

            waiters.Trust(waiter);
            while (others.Count < WaitingTimes.MostOthers && waiters.TryTakeUnsure(out Waiter? other))
            {
                if (other.Group is not null && !IsDue(other))
                {
                    others.Add(other);
                }
            }

            return new PollRequest(
                waiter.Wanted.Name,
                waiter.Wanted.Terms.Limit,
                EntryOf(waiter),
                waiter.Wanted.Holder,
                waiter.StandsBy ? waiter.Wanted.Occurrence : null,
                others.Count == 0
                    ? null
                    : [.. others.Select(other => new OtherWaiter(EntryOf(other), other.Wanted.Terms.Limit, other.Wanted.Holder))]);
        }
    }

    /// <returns>
    /// Whether more entries have to be checked at once. An entry that is lost again and again is no reason to poll without end.
    /// </returns>
    private bool Apply(WaitersOfLock waiters, Waiter waiter, List<Waiter> others, PollResult result, ref bool wasDoubted)
    {
        bool isMore = others.Count == WaitingTimes.MostOthers;
        lock (gate)
        {
            if (waiter.Stage.IsHere() && waiter.IsQueued && !result.WasQueued)
            {
                waiters.IsInDoubt = true;
                isMore |= !wasDoubted;
                wasDoubted = true;
            }

            for (int i = 0; i < others.Count; i++)
            {
                long since = result.Others is { } all && i < all.Count ? all[i] : 0;

                // Without an entry: the queue is full. The next poll finds out whether it still is.
                isMore &= since > 0 || !others[i].Stage.IsHere();
                found(others[i], WaiterEvent.Polled, since);
            }

            found(waiter, result.IsFree ? WaiterEvent.WakeUp : WaiterEvent.Polled, result.QueuedSince);
        }

        return isMore;
    }

    private void Failed(WaitersOfLock waiters)
    {
        lock (gate)
        {
            waiters.IsInDoubt = true;
            foreach (Waiter waiter in waiters.All)
            {
                found(waiter, WaiterEvent.MustAsk, 0);
            }
        }
    }

    /// <summary>
    /// The entry of a deferral lapses when this process forgets it. A deferral that is due gets no new entry: it may have come back
    /// elsewhere, and a wake-up for an entry of this process would not reach it there.
    /// </summary>
    private WaiterEntry EntryOf(Waiter waiter) => waiter.EntryFor(
        waiter.StartDeferral is null ? waiter.LapsesAfter : IsDue(waiter) ? TimeSpan.Zero : Deadline.Until(time, waiter.LapsesAt));

    private bool IsDue(Waiter waiter) => waiter.StartDeferral is not null && Deadline.Until(time, waiter.DueAt) <= TimeSpan.Zero;

    private static TimeSpan? Shorter(TimeSpan? one, TimeSpan? other) => one is { } span && (other is null || span < other) ? one : other;

    private long After(TimeSpan span) => Deadline.Add(time, time.GetTimestamp(), span);
}
