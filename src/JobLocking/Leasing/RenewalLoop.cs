using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Leasing;

/// <summary>
/// Renews all leases of the process and checks their deadlines, with one alarm that is set to the earliest of
/// <see cref="HeldLeases.FirstDue"/>. It works as long as there are leases, also after the end of the host and of its container: a job
/// that outlives them still has to learn when its lease ends. Without leases, the alarm is disposed with the container.
/// </summary>
internal sealed class RenewalLoop : IDisposable
{
    private readonly ILockStore _store;
    private readonly StoreGate _storeGate;
    private readonly HeldLeases _held;
    private readonly BackgroundWork _background;
    private readonly MetricsReporter _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IAlarm _alarm;
    private readonly Lock _gate = new();

    private long _armedFor = long.MaxValue;
    private volatile bool _disposed;

    public RenewalLoop(
        ILockStore store,
        StoreGate gate,
        HeldLeases held,
        BackgroundWork background,
        MetricsReporter metrics,
        TimeProvider time,
        ILogger logger)
    {
        _store = store;
        _storeGate = gate;
        _held = held;
        _background = background;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _held.Emptied += OnEmptied;

        // The machine's clock gets a thread of its own. Any other clock, for example that of a test, has its own timers.
        _alarm = time == TimeProvider.System ? new AlarmThread(time, Tick) : new AlarmTimer(time, Tick);
    }

    /// <summary>How late the loop is. The health check treats a small value as a sign that the loop works.</summary>
    public TimeSpan Lateness => _held.FirstDue is { } first && Deadline.Until(_time, first) is { Ticks: < 0 } late ? -late : TimeSpan.Zero;

    /// <summary>Registers a new lease and renews it from now on.</summary>
    public void Add(HeldLease lease, long sentAt)
    {
        long due = NextRenewal(lease, sentAt);
        _held.Add(lease, due);
        if (due < Volatile.Read(ref _armedFor))
        {
            lock (_gate)
            {
                Arm();
            }
        }
    }

    public void Dispose()
    {
        _disposed = true;
        OnEmptied();
    }

    /// <summary>The connection is back, and may be lost again at any moment.</summary>
    public void RenewAllNow()
    {
        lock (_gate)
        {
            _held.SetAllDue(_time.GetTimestamp());
            Arm();
        }
    }

    private void Tick()
    {
        List<HeldLease> renew = [];
        List<(HeldLease Lease, LeaseLoss Loss)> expired = [];
        lock (_gate)
        {
            Volatile.Write(ref _armedFor, long.MaxValue);
            long now = _time.GetTimestamp();
            long horizon = now;
            List<HeldLease> due = _held.TakeDue(now, LeaseTimes.MostAtOnce);
            foreach (HeldLease lease in due)
            {
                if (now >= EndsAt(lease))
                {
                    expired.Add((lease, LeaseLoss.Expired));
                }
                else if (!lease.IsRenewing && lease.LongestExpiry(now) > TimeSpan.Zero)
                {
                    renew.Add(Begin(lease));
                    horizon = Math.Max(horizon, Deadline.Add(_time, now, LeaseTimes.RenewTogether(lease.Terms.Expiry)));
                }
            }

            // Leases that were acquired one by one are renewed together from now on.
            List<HeldLease> soon = _held.TakeDue(horizon, LeaseTimes.MostAtOnce - due.Count);
            foreach (HeldLease lease in soon)
            {
                if (lease.DueAt < EndsAt(lease) && !lease.IsRenewing)
                {
                    renew.Add(Begin(lease));
                }
            }

            _held.SetDue(due.Concat(soon).Select(lease => (lease, EndsAt(lease))).Where(one => now < one.Item2));
            Arm();
            EndAlarm();
        }

        // The holders are notified first. Sending takes time when there are many leases, and so may a log.
        Action report = Lose(expired);
        if (renew.Count > 0)
        {
            _ = Task.Factory.StartNew(() => RenewAsync(renew), CancellationToken.None, TaskCreationOptions.None, _alarm.Scheduler);
        }

        report();
    }

    private static HeldLease Begin(HeldLease lease)
    {
        lease.IsRenewing = true;
        return lease;
    }

    /// <summary>Ends leases, so that all their holders know at once.</summary>
    /// <returns>Logs and counts the losses, which may take time.</returns>
    private Action Lose(List<(HeldLease Lease, LeaseLoss Loss)> leases)
    {
        List<(HeldLease Lease, Task Callbacks)> ended = [];
        foreach ((HeldLease lease, LeaseLoss loss) in leases)
        {
            if (_held.TryLose(lease, loss) is { } callbacks)
            {
                ended.Add((lease, callbacks));
            }
        }

        return ended.Count == 0 ? static () => { } : () => Report(() => ended.ForEach(one => _held.Report(one.Lease, one.Callbacks)));
    }

    /// <summary>Logs and metrics are foreign code that may block: on the alarm's thread, that would hold up the other leases.</summary>
    private void Report(Action report) => _background.Add(_alarm.Afterwards(report));

    /// <remarks>Runs on the alarm's scheduler, and continues there after each await.</remarks>
    private async Task RenewAsync(List<HeldLease> due)
    {
        HeldLease[] leases = [.. due.Where(lease => !lease.IsReleased)];
        if (leases.Length == 0)
        {
            return;
        }

        long sentAt = _time.GetTimestamp();
        RenewRequest[] requests = new RenewRequest[leases.Length];
        for (int i = 0; i < requests.Length; i++)
        {
            HeldLease lease = leases[i];
            requests[i] = new RenewRequest(lease.Name, lease.Id, Expiry(lease, sentAt), lease.Occurrence, lease.Terms.Limit);
        }

        Renewal renewal = new(leases, requests, sentAt);
        Exception? failure = null;
        try
        {
            await _store.RenewAsync(requests, answers => Apply(renewal, answers), CancellationToken.None).ConfigureAwait(true);
        }
#pragma warning disable CA1031 // Whatever was thrown, renewals that were not answered are tried again until the deadlines of their leases.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure = e;
        }

        Apply(renewal, renewal.Unanswered());
        if (failure is not null)
        {
            Report(() => Log.RenewalFailed(_logger, failure, leases.Length, leases[0].Name));
        }
    }

    private void Apply(Renewal renewal, IReadOnlyList<RenewResult> answers)
    {
        List<(HeldLease Lease, RenewOutcome Outcome)> known = new(answers.Count);
        List<(HeldLease Lease, LeaseLoss Loss)> lost = [];
        List<(HeldLease Lease, long Due)> next = new(answers.Count);
        lock (_gate)
        {
            foreach (RenewResult answer in answers)
            {
                // Only the first answer for a lease counts, and only while the lease is held.
                HeldLease lease = renewal.Leases[answer.Index];
                if (!renewal.Take(answer.Index))
                {
                    continue;
                }

                lease.IsRenewing = false;
                bool isHeld = lease.IsScheduled;
                if (isHeld)
                {
                    known.Add((lease, answer.Outcome));
                }

                if (answer.Outcome is RenewOutcome.NotYours or RenewOutcome.Missing)
                {
                    lost.Add((lease, answer.Outcome == RenewOutcome.NotYours ? LeaseLoss.Taken : LeaseLoss.Gone));
                }
                else if (isHeld)
                {
                    next.Add((lease, Due(renewal, lease, answer)));
                }
            }

            _held.SetDue(next);
            Arm();
        }

        Action report = Lose(lost);
        Report(() => known.ForEach(Answered));
        report();
    }

    private void Answered((HeldLease Lease, RenewOutcome Outcome) one)
    {
        _metrics.RenewalAnswered(one.Lease.Template, one.Lease.Holder.Scheduler, one.Outcome.Tag());
        if (one.Outcome == RenewOutcome.Renewed)
        {
            _storeGate.Answered(one.Lease.Name);
        }
    }

    /// <summary>Moves the deadline of a lease that was renewed, and says when the next renewal is due.</summary>
    private long Due(Renewal renewal, HeldLease lease, RenewResult answer)
    {
        if (answer.Outcome != RenewOutcome.Renewed)
        {
            return NextRetry(lease);
        }

        // What was left of a MaxHold was computed when the renewal began.
        long sentAt = answer.SentAt == 0 || lease.Terms.MaxHold > TimeSpan.Zero ? renewal.SentAt : answer.SentAt;
        lease.Prolong(Deadline.After(_time, sentAt, renewal.Requests[answer.Index].Expiry));
        return NextRenewal(lease, sentAt);
    }

    private static TimeSpan Expiry(HeldLease lease, long now)
    {
        TimeSpan longest = lease.LongestExpiry(now);
        return longest < lease.Terms.Expiry ? longest : lease.Terms.Expiry;
    }

    /// <summary>The next renewal, or the deadline if a renewal could not move it any more.</summary>
    private long NextRenewal(HeldLease lease, long sentAt)
    {
        long next = Deadline.Add(_time, sentAt, LeaseTimes.RenewAfter(lease.Terms.Expiry));
        bool canGrow = lease.Terms.MaxHold == TimeSpan.Zero || lease.LongestExpiry(sentAt) > lease.Terms.Expiry;
        return canGrow ? Math.Min(next, EndsAt(lease)) : EndsAt(lease);
    }

    private long NextRetry(HeldLease lease)
    {
        long next = Deadline.Add(_time, _time.GetTimestamp(), LeaseTimes.RetryRenewalAfter(lease.Terms.Expiry));
        return Math.Min(next, EndsAt(lease));
    }

    /// <summary>When the lease has to be ended, so that its holder knows by the deadline.</summary>
    private long EndsAt(HeldLease lease) =>
        Deadline.Add(_time, lease.DeadlineAt, -LeaseTimes.EndEarlyBy(lease.Terms.Expiry, _alarm.Earliness));

    private void Arm()
    {
        if (_held.FirstDue is not { } first || first >= _armedFor)
        {
            return;
        }

        // Up to the next millisecond: an alarm that rings a little early would ring again and again.
        double wait = Math.Ceiling(Deadline.Until(_time, first).TotalMilliseconds);
        wait = Math.Clamp(wait, 0, LeaseTimes.LongestAlarm.TotalMilliseconds);
        _alarm.Set(TimeSpan.FromMilliseconds(wait));
        Volatile.Write(ref _armedFor, first);
    }

    private void OnEmptied()
    {
        if (_disposed)
        {
            lock (_gate)
            {
                EndAlarm();
            }
        }
    }

    /// <summary>Keeps the alarm until the container is disposed: the next lease would have to create it again.</summary>
    private void EndAlarm()
    {
        if (_disposed && _held.IsEmpty)
        {
            // In this order: a lease that is added meanwhile arms the alarm itself, or is seen below.
            Volatile.Write(ref _armedFor, long.MaxValue);
            _alarm.Dispose();
            Arm();
        }
    }

    /// <summary>One call to the store, and which of its leases were answered.</summary>
    private sealed class Renewal(HeldLease[] leases, RenewRequest[] requests, long sentAt)
    {
        private readonly bool[] _isAnswered = new bool[leases.Length];

        public HeldLease[] Leases => leases;

        public RenewRequest[] Requests => requests;

        public long SentAt => sentAt;

        /// <summary>Whether this is the first answer for the lease.</summary>
        public bool Take(int index)
        {
            bool isFirst = !_isAnswered[index];
            _isAnswered[index] = true;
            return isFirst;
        }

        public IReadOnlyList<RenewResult> Unanswered() =>
            [.. Enumerable.Range(0, leases.Length).Where(i => !_isAnswered[i]).Select(i => new RenewResult(i, RenewOutcome.Transient))];
    }
}
