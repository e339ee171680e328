using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// A waiter soon gets a lock that is free. When all faults are over, every requested lock is soon granted, and every living process that
/// sends a request is answered.
/// </summary>
internal static class Liveness
{
    public static IEnumerable<Violation> Check(IndexedHistory history)
    {
        Interval[] windows = [.. Windows(history)];
        return history.ByLock.SelectMany(ofLock => Unattended(history, ofLock))
            .Concat(windows.SelectMany(window => Stuck(history, window)));
    }

    /// <summary>From each <c>Healed</c> that is followed by a long enough calm.</summary>
    public static IEnumerable<Interval> Windows(IndexedHistory history)
    {
        long bound = Terms.Ticks(history.Terms.Liveness);
        long last = long.MinValue;
        foreach (HistoryEvent healed in history.Of(HistoryEventKind.Healed))
        {
            Interval window = new(healed.At, healed.At + bound);
            if (window.To <= history.End && window.From > last && !history.AllFaults.Touches(window.From + 1, window.To))
            {
                last = window.To;
                yield return window;
            }
        }
    }

    private static IEnumerable<Violation> Stuck(IndexedHistory history, Interval window)
    {
        long half = window.From + ((window.To - window.From) / 2);
        // A process that asks late in this time, or has stopped asking, need not have been answered.
        Execution[] asking = [.. history.Executions.Where(e => e.Lock.Length > 0 && e.AskedAt <= half && !history.IsDead(e.Process)
            && (e.AskedAt > window.From ? e.Outcome?.What != HistoryEventKind.Cancelled : e.OutcomeAt > window.To))];
        Execution[] served = [.. history.Executions.Where(e => IsServed(e, window, half))];
        HashSet<string> locks = [.. served.Where(e => e.Granted is not null).Select(e => e.Lock)];
        HashSet<string> processes = [.. served.Select(e => e.Process)];
        return asking.Where(e => !locks.Contains(e.Lock)).DistinctBy(e => e.Lock)
            .Select(e => Violation.Of(Rule.Liveness, $"All faults were over at {window.From}, but no execution was granted lock '{e.Lock}' until {window.To}.", e.Landmarks))
            .Concat(asking.Where(e => !processes.Contains(e.Process)).DistinctBy(e => e.Process)
                .Select(e => Violation.Of(Rule.Liveness, $"All faults were over at {window.From}, but {e.Process} was not answered until {window.To}.", e.Landmarks)));
    }

    /// <summary>Answered within this time, or held by an earlier holder that has kept its lease all the time.</summary>
    private static bool IsServed(Execution execution, Interval window, long half) =>
        (execution.Outcome?.What is HistoryEventKind.Granted or HistoryEventKind.Contended && window.Touches(execution.OutcomeAt, execution.OutcomeAt))
        || (execution.Granted?.At < window.From && execution.LastClaim?.At > half);

    private static IEnumerable<Violation> Unattended(IndexedHistory history, IGrouping<string, Execution> ofLock)
    {
        long bound = Terms.Ticks(history.Terms.Liveness);
        Execution[] asking = [.. ofLock.Where(e => e.Asked is not null).OrderBy(e => e.AskedAt)];
        IntervalSet taken = IntervalSet.Where(ofLock.Select(e => Possession.Told(history, e)).OfType<Interval>(), history.Terms.Of(ofLock.Key).Limit);
        int next = 0;
        Execution? longest = null;
        foreach (Interval free in taken.Gaps())
        {
            // Of those that already wait when it becomes free, the one that waits longest stands for all.
            for (; next < asking.Length && asking[next].AskedAt <= free.To; next++)
            {
                if (Waited(history, asking[next], free, bound) is { } violation)
                {
                    yield return violation;
                }

                if (longest is null || Gone(history, asking[next]) > Gone(history, longest))
                {
                    longest = asking[next];
                }
            }

            if (longest is not null && longest.AskedAt < free.From && Waited(history, longest, free, bound) is { } found)
            {
                yield return found;
            }
        }
    }

    private static Violation? Waited(IndexedHistory history, Execution execution, Interval free, long bound)
    {
        long from = Math.Max(execution.AskedAt, free.From);
        long to = Math.Min(Gone(history, execution), free.To);
        if (to - from <= bound)
        {
            return null;
        }

        Interval? trouble = history.AllFaults.LastWithin(from, to);
        return trouble is { } fault && to - fault.To <= bound
            ? null
            : Violation.Of(Rule.Liveness, $"The {execution.Name} waited for lock '{execution.Lock}' from {trouble?.To ?? from} to {to} while there was room.", execution.Asked, execution.Outcome);
    }

    private static long Gone(IndexedHistory history, Execution execution) =>
        Math.Min(execution.Outcome?.At ?? execution.Failed?.At ?? history.End, history.DiedAt(execution.Process));
}
