using System.Diagnostics.Metrics;
using static JobLocking.JobLockingDiagnostics;

namespace JobLocking.Telemetry;

/// <summary>
/// Measures, with one method for each fact. Instruments have at most three tags with a bounded number of values, so that measuring
/// allocates nothing, with or without a listener.
/// </summary>
internal sealed class MetricsReporter : IDisposable
{
    // From a round trip on the same machine to two time-outs of StackExchange.Redis.
    private static readonly InstrumentAdvice<double> RoundTrips = new()
    {
        HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    };

    // From the time of one wake-up to the longest wait of a job.
    private static readonly InstrumentAdvice<double> Waits = new()
    {
        HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600],
    };

    // From a job that finds nothing to do to one that runs all night.
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
        _acquireDuration = _meter.CreateHistogram(
            AcquireDuration, "s", "Time from the request for a lock to the answer of the store.", tags: null, RoundTrips);
        _acquisitions = _meter.CreateCounter<long>(Acquisitions, "{acquisition}", "Attempts to acquire a lock, by outcome.");
        _held = _meter.CreateUpDownCounter<long>(Held, "{lease}", "Leases that are held now.");
        _holdDuration = _meter.CreateHistogram(HoldDuration, "s", "Time for which leases were held.", tags: null, Runs);
        _waitDuration = _meter.CreateHistogram(WaitDuration, "s", "Time spent waiting in place for a lock.", tags: null, Waits);
        _waiters = _meter.CreateUpDownCounter<long>(
            JobLockingDiagnostics.Waiters, "{execution}", "Executions that wait for a lock now, in place or deferred.");
        _skips = _meter.CreateCounter<long>(Skips, "{execution}", "Executions that were skipped.");
        _defers = _meter.CreateCounter<long>(Defers, "{execution}", "Executions that were deferred.");
        _lost = _meter.CreateCounter<long>(Lost, "{lease}", "Leases that were lost while they were held.");
        _renewals = _meter.CreateCounter<long>(Renewals, "{renewal}", "Renewals of leases, by outcome.");
    }

    /// <summary>A lock was requested from the store; <see cref="LeaseBegan"/> follows if it was granted.</summary>
    public void StoreAsked(string template, string scheduler, string outcome, TimeSpan duration)
    {
        _acquireDuration.Record(duration.TotalSeconds, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(OutcomeTag, outcome));
        _acquisitions.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(OutcomeTag, outcome));
    }

    /// <summary>The store was not asked, because this process itself holds the lock.</summary>
    public void ContendedLocally(string template, string scheduler) =>
        _acquisitions.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(OutcomeTag, TagValues.Contended));

    /// <returns>
    /// Whether the lease is counted. Its end is subtracted only then: a listener that starts while leases are held must not see less than
    /// zero.
    /// </returns>
    public bool LeaseBegan(string template, string scheduler) => Began(_held, template, scheduler);

    public void LeaseReleased(string template, string scheduler, bool isCounted, TimeSpan heldFor)
    {
        Ended(_held, template, scheduler, isCounted);
        _holdDuration.Record(heldFor.TotalSeconds, Tag(LockTag, template), Tag(SchedulerTag, scheduler));
    }

    public void LeaseLost(string template, string scheduler, bool isCounted, TimeSpan heldFor, string reason)
    {
        LeaseReleased(template, scheduler, isCounted, heldFor);
        _lost.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(ReasonTag, reason));
    }

    public void RenewalAnswered(string template, string scheduler, string outcome) =>
        _renewals.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(OutcomeTag, outcome));

    /// <summary>A wait in place has ended.</summary>
    public void Waited(string template, string scheduler, string outcome, TimeSpan duration) =>
        _waitDuration.Record(duration.TotalSeconds, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(OutcomeTag, outcome));

    /// <returns>Whether the waiter is counted, as for <see cref="LeaseBegan"/>.</returns>
    public bool Queued(string template, string scheduler) => Began(_waiters, template, scheduler);

    public void Dequeued(string template, string scheduler, bool isCounted) => Ended(_waiters, template, scheduler, isCounted);

    public void Skipped(string template, string scheduler, string reason) =>
        _skips.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(ReasonTag, reason));

    public void Deferred(string template, string scheduler, string reason) =>
        _defers.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler), Tag(ReasonTag, reason));

    public void Dispose() => _meter.Dispose();

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    private static bool Began(UpDownCounter<long> counter, string template, string scheduler)
    {
        bool isCounted = counter.Enabled;
        if (isCounted)
        {
            counter.Add(1, Tag(LockTag, template), Tag(SchedulerTag, scheduler));
        }

        return isCounted;
    }

    private static void Ended(UpDownCounter<long> counter, string template, string scheduler, bool isCounted)
    {
        if (isCounted)
        {
            counter.Add(-1, Tag(LockTag, template), Tag(SchedulerTag, scheduler));
        }
    }
}
