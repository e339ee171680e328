using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// Who waits for a lock that is free has it soon; and when all faults are over, soon every lock that is asked for is granted, and every
/// living process that asks is answered.
/// </summary>
internal static class Liveness
{
    public static IEnumerable<Violation> Check(Story story)
    {
        Period[] windows = [.. Windows(story)];
        return story.ByLock.SelectMany(ofLock => Unattended(story, ofLock))
            .Concat(windows.SelectMany(window => Stuck(story, window)));
    }

    /// <summary>From each <c>Healed</c> that is followed by quiet for long enough.</summary>
    public static IEnumerable<Period> Windows(Story story)
    {
        long bound = Terms.Ticks(story.Terms.Liveness);
        long last = long.MinValue;
        foreach (HistoryEvent healed in story.Of(Happening.Healed))
        {
            Period window = new(healed.At, healed.At + bound);
            if (window.To <= story.End && window.From > last && !story.AllFaults.Touches(window.From + 1, window.To))
            {
                last = window.To;
                yield return window;
            }
        }
    }

    private static IEnumerable<Violation> Stuck(Story story, Period window)
    {
        long half = window.From + ((window.To - window.From) / 2);
        // Who asks late in it, or has stopped asking, need not have been answered.
        Execution[] asking = [.. story.Executions.Where(e => e.Lock.Length > 0 && e.AskedAt <= half && !story.IsDead(e.Process)
            && (e.AskedAt > window.From ? e.Outcome?.What != Happening.Cancelled : e.OutcomeAt > window.To))];
        Execution[] served = [.. story.Executions.Where(e => IsServed(e, window, half))];
        HashSet<string> locks = [.. served.Where(e => e.Granted is not null).Select(e => e.Lock)];
        HashSet<string> processes = [.. served.Select(e => e.Process)];
        return asking.Where(e => !locks.Contains(e.Lock)).DistinctBy(e => e.Lock)
            .Select(e => Violation.Of(Rule.Liveness, $"All faults were over at {window.From}, but nobody was granted lock '{e.Lock}' until {window.To}.", e.Landmarks))
            .Concat(asking.Where(e => !processes.Contains(e.Process)).DistinctBy(e => e.Process)
                .Select(e => Violation.Of(Rule.Liveness, $"All faults were over at {window.From}, but {e.Process} was not answered until {window.To}.", e.Landmarks)));
    }

    /// <summary>Answered within; or a holder from before who has kept its lease all the time.</summary>
    private static bool IsServed(Execution execution, Period window, long half) =>
        (execution.Outcome?.What is Happening.Granted or Happening.Contended && window.Touches(execution.OutcomeAt, execution.OutcomeAt))
        || (execution.Granted?.At < window.From && execution.LastClaim?.At > half);

    private static IEnumerable<Violation> Unattended(Story story, IGrouping<string, Execution> ofLock)
    {
        long bound = Terms.Ticks(story.Terms.Liveness);
        Execution[] asking = [.. ofLock.Where(e => e.Asked is not null).OrderBy(e => e.AskedAt)];
        Periods taken = Periods.Where(ofLock.Select(e => Possession.Told(story, e)).OfType<Period>(), story.Terms.Of(ofLock.Key).Limit);
        int next = 0;
        Execution? longest = null;
        foreach (Period free in taken.Gaps())
        {
            // Of those who wait already when it becomes free, the one who waits longest stands for all.
            for (; next < asking.Length && asking[next].AskedAt <= free.To; next++)
            {
                if (Waited(story, asking[next], free, bound) is { } violation)
                {
                    yield return violation;
                }

                if (longest is null || Gone(story, asking[next]) > Gone(story, longest))
                {
                    longest = asking[next];
                }
            }

            if (longest is not null && longest.AskedAt < free.From && Waited(story, longest, free, bound) is { } found)
            {
                yield return found;
            }
        }
    }

    private static Violation? Waited(Story story, Execution execution, Period free, long bound)
    {
        long from = Math.Max(execution.AskedAt, free.From);
        long to = Math.Min(Gone(story, execution), free.To);
        if (to - from <= bound)
        {
            return null;
        }

        Period? trouble = story.AllFaults.LastWithin(from, to);
        return trouble is { } fault && to - fault.To <= bound
            ? null
            : Violation.Of(Rule.Liveness, $"The {execution.Name} waited for lock '{execution.Lock}' from {trouble?.To ?? from} to {to} while there was room.", execution.Asked, execution.Outcome);
    }

    private static long Gone(Story story, Execution execution) =>
        Math.Min(execution.Outcome?.At ?? execution.Failed?.At ?? story.End, story.DiedAt(execution.Process));
}
