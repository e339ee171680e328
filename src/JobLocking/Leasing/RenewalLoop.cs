using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Leasing;

/// <summary>
/// Renews all leases of the process and watches their deadlines, with one alarm, set to whatever is due first. It lives as
/// long as there are leases and ends neither with the host nor with its container: a job that outlives them still has to be
/// told when its lease is over. Without leases, the alarm goes with the container.
/// </summary>
internal sealed class RenewalLoop : IDisposable
{
    /// <summary>More leases than this are looked after in several rounds: meanwhile leases can be added, and deadlines are watched.</summary>
    private const int MostAtOnce = 2000;

    private static readonly TimeSpan LongestRetryPause = TimeSpan.FromSeconds(1);

    // A timer knows no more than 49 days; one that fires too early is set again.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    private readonly ILockStore _store;
    private readonly BackgroundWork _background;
    private readonly MetricsReporter _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IAlarm _alarm;
    private readonly Lock _gate = new();
    private readonly DueTimes _leases = new();

    private long _armedFor = long.MaxValue;
    private bool _disposed;

    public RenewalLoop(ILockStore store, BackgroundWork background, MetricsReporter metrics, TimeProvider time, ILogger logger)
    {
        _store = store;
        _background = background;
        _metrics = metrics;
        _time = time;
        _logger = logger;

        // By the machine's clock on a thread of its own; any other clock, a test's for example, has its timers.
        _alarm = time == TimeProvider.System ? new AlarmThread(time, Tick) : new AlarmTimer(time, Tick);
    }

    /// <summary>By how much the loop is late, for the health check: it is alive if that is little.</summary>
    public TimeSpan Lateness
    {
        get
        {
            lock (_gate)
            {
                return _leases.First is { } first && Deadline.Until(_time, first.Due) is { Ticks: < 0 } late ? -late : TimeSpan.Zero;
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
            EndAlarm();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            EndAlarm();
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
            _leases.SetAll(_time.GetTimestamp());
            Arm();
        }
    }

    private void Tick()
    {
        List<TaskLease> renew = [];
        List<(TaskLease Lease, LeaseLoss Loss)> expired = [];
        lock (_gate)
        {
            _armedFor = long.MaxValue;
            long now = _time.GetTimestamp();
            long horizon = now;
            List<TaskLease> due = _leases.Take(now, MostAtOnce);
            foreach (TaskLease lease in due)
            {
                if (now >= EndsAt(lease))
                {
                    expired.Add((lease, LeaseLoss.Expired));
                }
                else if (!lease.IsRenewing && lease.LongestExpiry(now) > TimeSpan.Zero)
                {
                    renew.Add(Begin(lease));
                    horizon = Math.Max(horizon, Deadline.Add(_time, now, lease.Terms.Expiry / 10));
                }
            }

            // Together with what falls due a little later: otherwise leases that were taken one by one are renewed one by one.
            List<TaskLease> soon = _leases.Take(horizon, MostAtOnce - due.Count);
            foreach (TaskLease lease in soon)
            {
                if (lease.Due < EndsAt(lease) && !lease.IsRenewing)
                {
                    renew.Add(Begin(lease));
                }
            }

            foreach (TaskLease lease in due.Concat(soon).Where(lease => now < EndsAt(lease)))
            {
                _leases.Set(lease, EndsAt(lease));
            }

            Arm();
            EndAlarm();
        }

        // The holders are told first. Sending takes time when there are many leases, and so may a log.
        Action report = Lose(expired);
        if (renew.Count > 0)
        {
            _ = Task.Factory.StartNew(() => RenewAsync(renew), CancellationToken.None, TaskCreationOptions.None, _alarm.Scheduler);
        }

        report();
    }

    private static TaskLease Begin(TaskLease lease)
    {
        lease.IsRenewing = true;
        return lease;
    }

    /// <summary>Ends leases, so that all their holders know at once.</summary>
    /// <returns>Says so to others, who may take their time.</returns>
    private Action Lose(List<(TaskLease Lease, LeaseLoss Loss)> leases)
    {
        List<(TaskLease Lease, Task Callbacks)> ended = [];
        foreach ((TaskLease lease, LeaseLoss loss) in leases)
        {
            if (lease.TryLose(loss) is { } callbacks)
            {
                ended.Add((lease, callbacks));
            }
        }

        return ended.Count == 0 ? static () => { } : () => Report(() => ended.ForEach(one => one.Lease.OnLost(one.Callbacks)));
    }

    /// <summary>Logs and metrics are foreign code that may block: on the alarm's thread that would hold up the other leases.</summary>
    private void Report(Action report) => _background.Add(_alarm.Afterwards(report));

    /// <remarks>Runs on the alarm's scheduler, and so goes on there after each await.</remarks>
    private async Task RenewAsync(List<TaskLease> due)
    {
        TaskLease[] leases = [.. due.Where(lease => !lease.IsReleased)];
        if (leases.Length == 0)
        {
            return;
        }

        long sentAt = _time.GetTimestamp();
        RenewRequest[] requests = new RenewRequest[leases.Length];
        for (int i = 0; i < requests.Length; i++)
        {
            TaskLease lease = leases[i];
            requests[i] = new RenewRequest(lease.Name, lease.Id, Expiry(lease, sentAt), lease.Occurrence, lease.Terms.Limit);
        }

        Renewal renewal = new(leases, requests, sentAt);
        Exception? failure = null;
        try
        {
            await _store.RenewAsync(requests, answers => Apply(renewal, answers), CancellationToken.None).ConfigureAwait(true);
        }
#pragma warning disable CA1031 // Whatever it is, the leases that were not answered are tried again until their deadlines.
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
        List<(TaskLease Lease, RenewOutcome Outcome)> known = new(answers.Count);
        List<(TaskLease Lease, LeaseLoss Loss)> lost = [];
        List<(TaskLease Lease, long Due)> next = new(answers.Count);
        lock (_gate)
        {
            foreach (RenewResult answer in answers)
            {
                // The second answer for a lease tells nothing, nor does one for a lease that has ended meanwhile.
                TaskLease lease = renewal.Leases[answer.Index];
                if (!renewal.Take(answer.Index))
                {
                    continue;
                }

                lease.IsRenewing = false;
                bool isHeld = DueTimes.Contains(lease);
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

            _leases.Move(next);
            Arm();
        }

        Action report = Lose(lost);
        Report(() => known.ForEach(Answered));
        report();
    }

    private void Answered((TaskLease Lease, RenewOutcome Outcome) one)
    {
        _metrics.RenewalAnswered(one.Lease, one.Outcome);
        if (one.Outcome == RenewOutcome.Renewed)
        {
            one.Lease.OnRenewed();
        }
    }

    /// <summary>Moves the deadline of a lease that was renewed, and says when the next renewal is due.</summary>
    private long Due(Renewal renewal, TaskLease lease, RenewResult answer)
    {
        if (answer.Outcome != RenewOutcome.Renewed)
        {
            return NextRetry(lease);
        }

        // The rest of a MaxHold was counted when the renewal began.
        long sentAt = answer.SentAt == 0 || lease.Terms.MaxHold > TimeSpan.Zero ? renewal.SentAt : answer.SentAt;
        lease.Prolong(Deadline.After(_time, sentAt, renewal.Requests[answer.Index].Expiry));
        return NextRenewal(lease, sentAt);
    }

    private static TimeSpan Expiry(TaskLease lease, long now)
    {
        TimeSpan longest = lease.LongestExpiry(now);
        return longest < lease.Terms.Expiry ? longest : lease.Terms.Expiry;
    }

    /// <summary>A third of the expiry, or the deadline when a renewal could not move it any more.</summary>
    private long NextRenewal(TaskLease lease, long sentAt)
    {
        long next = Deadline.Add(_time, sentAt, lease.Terms.Expiry / 3);
        bool canGrow = lease.Terms.MaxHold == TimeSpan.Zero || lease.LongestExpiry(sentAt) > lease.Terms.Expiry;
        return canGrow ? Math.Min(next, EndsAt(lease)) : EndsAt(lease);
    }

    private long NextRetry(TaskLease lease)
    {
        TimeSpan pause = lease.Terms.Expiry / 10;
        long next = Deadline.Add(_time, _time.GetTimestamp(), pause < LongestRetryPause ? pause : LongestRetryPause);
        return Math.Min(next, EndsAt(lease));
    }

    private void Arm()
    {
        if (_leases.First is not { } first || first.Due >= _armedFor)
        {
            return;
        }

        // Up to the next millisecond: an alarm that rings a little early would ring again and again.
        double wait = Math.Clamp(Math.Ceiling(Deadline.Until(_time, first.Due).TotalMilliseconds), 0, LongestWait.TotalMilliseconds);
        _alarm.Set(TimeSpan.FromMilliseconds(wait));
        _armedFor = first.Due;
    }

    /// <summary>Not with every last lease: the next would have to make it again.</summary>
    private void EndAlarm()
    {
        if (_disposed && _leases.First is null)
        {
            _alarm.Dispose();
            _armedFor = long.MaxValue;
        }
    }

    /// <summary>When the holder has to be told, so that it knows by the deadline.</summary>
    private long EndsAt(TaskLease lease)
    {
        TimeSpan most = lease.Terms.Expiry / 40;
        return Deadline.Add(_time, lease.DeadlineAt, -(_alarm.Earliness < most ? _alarm.Earliness : most));
    }

    /// <summary>One call to the store, and which of its leases were answered.</summary>
    private sealed class Renewal(TaskLease[] leases, RenewRequest[] requests, long sentAt)
    {
        private readonly bool[] _isAnswered = new bool[leases.Length];

        public TaskLease[] Leases => leases;

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
