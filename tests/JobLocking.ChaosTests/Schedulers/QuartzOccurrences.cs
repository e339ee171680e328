using JobLocking.ChaosTests.History;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// Each occurrence has one run. A second run after a complete one is excused only by what removes the mark of the first: an erasure, the
/// loss of its lease during the run, or a fault between its process and Redis at its end that was not over yet, or during which the process
/// was killed. The absence of any run is excused only if no living process could have run it, or if all of these say that it failed.
/// </summary>
/// <param name="job">The job, named as its lock.</param>
/// <param name="all">What the processes made of the schedule.</param>
/// <param name="expected">The occurrences that are to be run, beside all that were fired.</param>
/// <param name="history">What was done to the processes.</param>
internal sealed class QuartzOccurrences(string job, IReadOnlyList<QuartzChain> all, IEnumerable<DateTimeOffset> expected, IndexedHistory history)
{
    /// <summary>
    /// The time until a process has a connection again and its repeated releases have arrived: the pause between two attempts is at most 5
    /// seconds.
    /// </summary>
    private static readonly long Recovery = Terms.Ticks(TimeSpan.FromSeconds(8));

    /// <summary>The time until a process whose connection was cut has another one.</summary>
    private static readonly long Reconnection = Terms.Ticks(TimeSpan.FromSeconds(2));

    /// <summary>These faults take away neither an answer nor a mark.</summary>
    private static readonly HashSet<string> Harmless = ["script-flush", "subscriptions-killed", "clock-ahead", "full"];

    private readonly QuartzChain[] _chains = [.. all.Where(c => c.Job == job)];

    public IEnumerable<QuartzFinding> Check() => Twice().Concat(Never());

    /// <summary>Occurrences that were run again, without an excuse.</summary>
    public IEnumerable<QuartzFinding> Twice() => Repeats().Where(r => r.Excuse is null)
        .Select(r => QuartzFinding.Of(QuartzRule.Twice, $"An occurrence was run by {r.Second.Process} after {r.First.Process} had.", [.. r.First.Events, .. r.Second.Events]));

    /// <summary>Why occurrences were run again after a complete run.</summary>
    public IEnumerable<string> Excuses() => Repeats().Select(r => r.Excuse).OfType<string>();

    private IEnumerable<(QuartzFiring First, QuartzFiring Second, string? Excuse)> Repeats()
    {
        foreach (IGrouping<DateTimeOffset, QuartzChain> occurrence in _chains.GroupBy(c => c.Scheduled))
        {
            QuartzFiring[] runs = [.. occurrence.SelectMany(c => c.Firings).Where(f => f.Ran is not null).OrderBy(f => f.Ran!.At)];
            for (int i = 0; i < runs.Length; i++)
            {
                foreach (QuartzFiring next in runs[i].Done is null ? [] : runs[(i + 1)..])
                {
                    yield return (runs[i], next, ExcuseOf(runs[i], next));
                }
            }
        }
    }

    private string? ExcuseOf(QuartzFiring first, QuartzFiring second)
    {
        if (history.ErasuresOf(job).Touches(first.Began.At, second.Ran!.At))
        {
            return "erased";
        }

        if (history.Executions.Any(e => e.Process == first.Process && e.Number == first.Began.Firing && e.Loss is not null))
        {
            return "lease lost";
        }

        // After its last report, and before it could tell Redis.
        long died = history.DiedAt(first.Process);
        if (first.End is null && died < second.Ran.At)
        {
            return "killed as it ended";
        }

        // As long as its process lives, it keeps repeating the release that failed at its end.
        return TroublesOf(first.Process).LastWithin(first.Done!.At - Reconnection, Math.Min(first.EndedAt, second.Ran.At)) is { } trouble
            && Math.Min(second.Began.At, died) <= Later(trouble.To, Recovery)
            ? "not heard of"
            : null;
    }

    private IntervalSet TroublesOf(string process) =>
        IntervalSet.Of(history.Faults.Where(f => f.Concerns(process, job, history.Terms) && f.Kind != Fault.Killed && !Harmless.Contains(f.Kind)).Select(f => f.Interval));

    private IEnumerable<QuartzFinding> Never()
    {
        ILookup<DateTimeOffset, QuartzChain> chains = _chains.ToLookup(c => c.Scheduled);
        foreach (DateTimeOffset time in expected.Concat(chains.Select(c => c.Key)).Distinct().Order())
        {
            if (!chains[time].SelectMany(c => c.Firings).Any(MayHaveRun) && !IsExcused([.. chains[time].Where(c => !history.IsDead(c.Process))]))
            {
                yield return QuartzFinding.Of(QuartzRule.Never, $"The occurrence of {time:HH:mm:ss} was never run.", chains[time].SelectMany(c => c.Events));
            }
        }
    }

    /// <summary>A job that was started in a killed process may have completed its work.</summary>
    private bool MayHaveRun(QuartzFiring firing) => firing.Done is not null || (firing is { Ran: not null, End: null } && history.IsDead(firing.Process));

    private static bool IsExcused(QuartzChain[] living) =>
        living.All(c => c.Endings.Any() && c.Endings.All(e => e.What == QuartzEventKind.Failed));

    private static long Later(long at, long by) => at > long.MaxValue - by ? long.MaxValue : at + by;
}
