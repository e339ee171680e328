using System.Diagnostics.Metrics;
using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Waiting;
using static JobLocking.JobLockingDiagnostics;

namespace JobLocking.Telemetry;

/// <summary>
/// Measures, with a verb for each fact. At most three tags, whose values are bounded, so that nothing is allocated,
/// listened to or not.
/// </summary>
internal sealed class MetricsReporter : IDisposable
{
    // From a round trip on the same machine to two time-outs of StackExchange.Redis.
    private static readonly InstrumentAdvice<double> RoundTrips = new()
    {
        HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    // From one handoff to the longest wait of a job.
    private static readonly InstrumentAdvice<double> Waits = new()
    {
        HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600],
    };

    // From a job that finds nothing to do to one that takes the night.
    private static readonly InstrumentAdvice<double> Runs = new()
    {
        HistogramBucketBoundaries = [0.1, 0.5, 1, 5, 15, 30, 60, 150, 300, 900, 1800, 3600, 10_800, 43_200],
    };

    private readonly Meter _meter;
    private readonly Histogram<double> _acquireDuration;
    private readonly Counter<long> _acquisitions;
    private readonly UpDownCounter<long> _held;
    private readonly Histogram<double> _holdDuration;
    private readonly Histogram<double> _waitDuration;
    private readonly UpDownCounter<long> _waiters;
    private readonly Counter<long> _skips;
    private readonly Counter<long> _defers;
    private readonly Counter<long> _lost;
    private readonly Counter<long> _renewals;

    /// <param name="factory">The container's: its meters can be told from those of another container. Null where there is none.</param>
    public MetricsReporter(IMeterFactory? factory)
    {
        MeterOptions options = new(MeterName) { Version = typeof(MetricsReporter).Assembly.GetName().Version?.ToString(3) };
        _meter = factory?.Create(options) ?? new Meter(options);
        _acquireDuration = _meter.CreateHistogram(AcquireDuration, "s", "Time from requesting a lock from the store to its answer.", tags: null, RoundTrips);
        _acquisitions = _meter.CreateCounter<long>(Acquisitions, "{acquisition}", "Attempts to acquire a lock, by outcome.");
        _held = _meter.CreateUpDownCounter<long>(Held, "{lease}", "Leases that this process holds now.");
        _holdDuration = _meter.CreateHistogram(HoldDuration, "s", "Time that leases were held.", tags: null, Runs);
        _waitDuration = _meter.CreateHistogram(WaitDuration, "s", "Time spent waiting in place for a lock.", tags: null, Waits);
        _waiters = _meter.CreateUpDownCounter<long>(JobLockingDiagnostics.Waiters, "{execution}", "Executions of this process in the waiting queue now, in place or deferred.");
        _skips = _meter.CreateCounter<long>(Skips, "{execution}", "Skipped executions.");
        _defers = _meter.CreateCounter<long>(Defers, "{execution}", "Deferrals of executions.");
        _lost = _meter.CreateCounter<long>(Lost, "{lease}", "Leases that were lost while the work was running.");
        _renewals = _meter.CreateCounter<long>(Renewals, "{renewal}", "Renewals of leases, by outcome.");
    }

    /// <summary>The store was asked for a lock; <see cref="LeaseBegan"/> follows if it was granted.</summary>
    public void StoreAsked(string template, string scheduler, string outcome, TimeSpan duration)
    {
        _acquireDuration.Record(duration.TotalSeconds, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(OutcomeTag, outcome));
        _acquisitions.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(OutcomeTag, outcome));
    }

    /// <summary>The store was not asked, because this process itself has the lock.</summary>
    public void ContendedLocally(string template, string scheduler) =>
        _acquisitions.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(OutcomeTag, TagValues.Contended));

    public void LeaseBegan(TaskLease lease)
    {
        // Whoever begins to listen while leases are held must not see fewer than none when they end.
        lease.IsCounted = _held.Enabled;
        if (lease.IsCounted)
        {
            _held.Add(1, Tag(LockTag, lease.Template), Tag(SchedulerTag, lease.Holder.Scheduler));
        }
    }

    public void LeaseReleased(TaskLease lease) => End(lease);

    public void LeaseLost(TaskLease lease, LeaseLoss loss)
    {
        End(lease);
        _lost.Add(1, Tag(LockTag, lease.Template), Tag(SchedulerTag, lease.Holder.Scheduler), Tag(ReasonTag, TagValues.Of(loss)));
    }

    public void RenewalAnswered(TaskLease lease, RenewOutcome outcome) =>
        _renewals.Add(1, Tag(LockTag, lease.Template), Tag(SchedulerTag, lease.Holder.Scheduler), Tag(OutcomeTag, TagValues.Of(outcome)));

    public void Waited(LeaseRequest wanted, string outcome, TimeSpan duration) =>
        _waitDuration.Record(duration.TotalSeconds, Tag(LockTag, wanted.Template), Tag(SchedulerTag, wanted.Holder.Scheduler), Tag(OutcomeTag, outcome));

    /// <summary>May be told of the same place again.</summary>
    public void Queued(Waiter waiter)
    {
        if (!waiter.IsCounted && _waiters.Enabled)
        {
            waiter.IsCounted = true;
            _waiters.Add(1, Tag(LockTag, waiter.Wanted.Template), Tag(SchedulerTag, waiter.Wanted.Holder.Scheduler));
        }
    }

    public void Dequeued(Waiter waiter)
    {
        if (waiter.IsCounted)
        {
            waiter.IsCounted = false;
            _waiters.Add(-1, Tag(LockTag, waiter.Wanted.Template), Tag(SchedulerTag, waiter.Wanted.Holder.Scheduler));
        }
    }

    public void Skipped(LockExecution execution, string cause) =>
        _skips.Add(1, Tag(LockTag, execution.Policy.Template), Tag(SchedulerTag, execution.Scheduler), Tag(ReasonTag, cause));

    public void Deferred(LockExecution execution, string cause) =>
        _defers.Add(1, Tag(LockTag, execution.Policy.Template), Tag(SchedulerTag, execution.Scheduler), Tag(ReasonTag, cause));

    public void Dispose() => _meter.Dispose();

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    private void End(TaskLease lease)
    {
        if (lease.IsCounted)
        {
            _held.Add(-1, Tag(LockTag, lease.Template), Tag(SchedulerTag, lease.Holder.Scheduler));
        }

        _holdDuration.Record(lease.HeldFor.TotalSeconds, Tag(LockTag, lease.Template), Tag(SchedulerTag, lease.Holder.Scheduler));
    }
}
