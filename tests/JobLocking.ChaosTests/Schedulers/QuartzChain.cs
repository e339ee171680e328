using JobLocking.ChaosTests.History;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>What became of one scheduled time of one job in one process: a firing, and what followed from it.</summary>
internal sealed class QuartzChain(string process, string job, DateTimeOffset scheduled, IEnumerable<QuartzEvent> events)
{
    private readonly IReadOnlyList<QuartzEvent> _events = [.. events.OrderBy(e => e.At)];
    private IReadOnlyList<QuartzFiring>? _firings;

    public string Process => process;

    public string Job => job;

    public DateTimeOffset Scheduled => scheduled;

    public IReadOnlyList<QuartzEvent> Events => _events;

    /// <summary>In the order in which they began.</summary>
    public IReadOnlyList<QuartzFiring> Firings => _firings ??=
        [.. _events.Where(e => e.Firing != 0).GroupBy(e => e.Firing).Select(f => new QuartzFiring(f)).OrderBy(f => f.Began.At)];

    public IEnumerable<QuartzEvent> Pending => _events.Where(e => e.What == QuartzEventKind.Pending);

    /// <summary>Nothing may follow one of these.</summary>
    public IEnumerable<QuartzEvent> Endings => _events.Where(e =>
        e.What is QuartzEventKind.Succeeded or QuartzEventKind.Skipped or QuartzEventKind.Coalesced or QuartzEventKind.Failed or QuartzEventKind.Cancelled);

    public string Name => $"{job} of {scheduled:HH:mm:ss} in {process}";

    /// <summary>How many of its deferrals came back early.</summary>
    public int Wakes => Firings.Count(f => f.End?.What == QuartzEventKind.Deferred
        && Next(f) is { } next && next.Began.At < f.EndedAt + Terms.Ticks(0.9 * QuartzFiring.DelayOf(f.End)));

    /// <summary>
    /// Whether a deferral of it was pending at some moment in this time. A killed process may have deferred it without a report.
    /// </summary>
    public bool IsDeferredWithin(long from, long to) => Firings
        .Any(f => f.End is null or { What: QuartzEventKind.Deferred } && f.Began.At <= to && !(Next(f)?.Began.At < from));

    private QuartzFiring? Next(QuartzFiring firing) => Firings.FirstOrDefault(next => next.Began.At > firing.Began.At && next.End?.What != QuartzEventKind.Woken);
}
