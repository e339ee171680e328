using JobLocking.Engine;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Renewal;

/// <summary>
/// Renews all leases of the process and watches their deadlines, with one timer, set to whatever is due first. It lives as
/// long as there are leases and ends neither with the host nor with its container: a job that outlives them still has to be
/// told when its lease is over. Without leases, the timer goes with the container.
/// </summary>
internal sealed class RenewalLoop(ILockStore store, MetricsReporter metrics, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan LongestRetryPause = TimeSpan.FromSeconds(1);

    // A timer knows no more than 49 days; one that fires too early is set again.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    private readonly Lock _gate = new();
    private readonly DueTimes _leases = new();

    private ITimer? _timer;
    private long _armedFor = long.MaxValue;
    private bool _disposed;

    /// <summary>By how much the loop is late, for the health check: it is alive if that is little.</summary>
    public TimeSpan Lateness
    {
        get
        {
            lock (_gate)
            {
                return _leases.First is { } first && Deadline.Until(time, first.Due) is { Ticks: < 0 } late ? -late : TimeSpan.Zero;
            }
        }
    }

    public void Add(TaskLease lease, long sentAt)
    {
        lock (_gate)
        {
            _leases.Set(lease, NextRenewal(lease, sentAt));
            Arm();
        }
    }

    public void Remove(TaskLease lease)
    {
        lock (_gate)
        {
            _leases.Remove(lease);
            EndTimer();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            EndTimer();
        }
    }

    /// <summary>An operator has ended a lease.</summary>
    public void Break(string leaseId)
    {
        TaskLease? broken;
        lock (_gate)
        {
            broken = _leases.Find(leaseId);
        }

        broken?.Lose(LeaseLoss.Broken);
    }

    /// <summary>The connection is back, and nobody knows how long it will last.</summary>
    public void RenewAllNow()
    {
        lock (_gate)
        {
            _leases.SetAll(time.GetTimestamp());
            Arm();
        }
    }

    private void Tick()
    {
        List<TaskLease> renew = [];
        List<TaskLease> expired = [];
        lock (_gate)
        {
            _armedFor = long.MaxValue;
            long now = time.GetTimestamp();
            long horizon = now;
            foreach (TaskLease lease in _leases.Until(now))
            {
                if (now >= lease.DeadlineAt)
                {
                    _leases.Remove(lease);
                    expired.Add(lease);
                }
                else if (!lease.IsRenewing && lease.LongestExpiry(now) > TimeSpan.Zero)
                {
                    renew.Add(Begin(lease));
                    horizon = Math.Max(horizon, Deadline.Add(time, now, lease.Terms.Expiry / 10));
                }
            }

            // Together with what falls due a little later: leases that were taken one after the other would else be renewed
            // one by one for ever.
            List<TaskLease> due = _leases.Until(horizon);
            foreach (TaskLease lease in due)
            {
                // What is due by now has been looked at.
                if (lease.Due > now && lease.Due < lease.DeadlineAt && !lease.IsRenewing)
                {
                    renew.Add(Begin(lease));
                }
            }

            _leases.Move([.. due.Select(lease => (lease, lease.DeadlineAt))]);

            Arm();
            EndTimer();
        }

        // First, as whoever hears of a loss in the log may take a while.
        if (renew.Count > 0)
        {
            _ = RenewAsync(renew);
        }

        foreach (TaskLease lease in expired)
        {
            lease.Lose(LeaseLoss.Expired);
        }
    }

    private static TaskLease Begin(TaskLease lease)
    {
        lease.IsRenewing = true;
        return lease;
    }

    private async Task RenewAsync(List<TaskLease> leases)
    {
        // Off the timer's thread, which is wanted for the deadlines of the others.
        await Task.Yield();

        leases.RemoveAll(lease => lease.IsReleased);
        if (leases.Count == 0)
        {
            return;
        }

        long sentAt = time.GetTimestamp();
        RenewOutcome[] outcomes = new RenewOutcome[leases.Count];
        RenewRequest[] requests = new RenewRequest[leases.Count];
        for (int i = 0; i < requests.Length; i++)
        {
            TaskLease lease = leases[i];
            requests[i] = new RenewRequest(lease.Name, lease.Id, Expiry(lease, sentAt), lease.Occurrence, lease.Terms.Limit);
        }

        Exception? failure = null;
        try
        {
            await store.RenewAsync(requests, outcomes, CancellationToken.None).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever it is, the leases that were not answered are tried again until their deadlines.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure = e;
        }

        Apply(leases, requests, outcomes, sentAt);
        if (failure is not null)
        {
            Log.RenewalFailed(logger, failure, leases.Count, leases[0].Name);
        }
    }

    private void Apply(List<TaskLease> leases, RenewRequest[] requests, RenewOutcome[] outcomes, long sentAt)
    {
        bool[] held = new bool[leases.Count];
        List<(TaskLease Lease, long Due)> next = new(leases.Count);
        lock (_gate)
        {
            for (int i = 0; i < held.Length; i++)
            {
                TaskLease lease = leases[i];
                lease.IsRenewing = false;
                held[i] = DueTimes.Contains(lease);
                if (held[i] && Lives(outcomes[i]))
                {
                    if (outcomes[i] == RenewOutcome.Renewed)
                    {
                        lease.Prolong(Deadline.After(time, sentAt, requests[i].Expiry));
                    }

                    next.Add((lease, outcomes[i] == RenewOutcome.Renewed ? NextRenewal(lease, sentAt) : NextRetry(lease)));
                }
            }

            _leases.Move(next);
            Arm();
        }

        for (int i = 0; i < held.Length; i++)
        {
            // What is answered for a lease that has ended meanwhile tells nothing.
            if (held[i])
            {
                metrics.RenewalAnswered(leases[i], outcomes[i]);
            }

            if (!Lives(outcomes[i]))
            {
                leases[i].Lose(outcomes[i] == RenewOutcome.NotYours ? LeaseLoss.Taken : LeaseLoss.Gone);
            }
        }
    }

    private static bool Lives(RenewOutcome outcome) => outcome is RenewOutcome.Renewed or RenewOutcome.Transient;

    private static TimeSpan Expiry(TaskLease lease, long now)
    {
        TimeSpan longest = lease.LongestExpiry(now);
        return longest < lease.Terms.Expiry ? longest : lease.Terms.Expiry;
    }

    /// <summary>A third of the expiry, or the deadline when a renewal could not move it any more.</summary>
    private long NextRenewal(TaskLease lease, long sentAt)
    {
        long next = Deadline.Add(time, sentAt, lease.Terms.Expiry / 3);
        bool canGrow = lease.Terms.MaxHold == TimeSpan.Zero || lease.LongestExpiry(sentAt) > lease.Terms.Expiry;
        return canGrow ? Math.Min(next, lease.DeadlineAt) : lease.DeadlineAt;
    }

    private long NextRetry(TaskLease lease)
    {
        TimeSpan pause = lease.Terms.Expiry / 10;
        long next = Deadline.Add(time, time.GetTimestamp(), pause < LongestRetryPause ? pause : LongestRetryPause);
        return Math.Min(next, lease.DeadlineAt);
    }

    private void Arm()
    {
        if (_leases.First is not { } first || first.Due >= _armedFor)
        {
            return;
        }

        _armedFor = first.Due;
        _timer ??= CreateTimer();

        // Up to the next millisecond: a timer that fires a little early would fire again and again.
        double wait = Math.Clamp(Math.Ceiling(Deadline.Until(time, first.Due).TotalMilliseconds), 0, LongestWait.TotalMilliseconds);
        _timer.Change(TimeSpan.FromMilliseconds(wait), Timeout.InfiniteTimeSpan);
    }

    /// <summary>Not with every last lease: the next would have to make it anew.</summary>
    private void EndTimer()
    {
        if (_disposed && _leases.First is null)
        {
            _timer?.Dispose();
            _timer = null;
            _armedFor = long.MaxValue;
        }
    }

    private ITimer CreateTimer()
    {
        // Else the loop would run for ever in the context of the first job: with its ambient lease, in its trace.
        using (ExecutionContext.SuppressFlow())
        {
            return time.CreateTimer(static loop => ((RenewalLoop)loop!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
