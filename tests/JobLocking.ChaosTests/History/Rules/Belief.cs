using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>No execution believes in a lease that must have ended, whether or not another execution has noticed.</summary>
internal static class Belief
{
    public static IEnumerable<Violation> Check(IndexedHistory history) =>
        history.ByLock.SelectMany(ofLock => AfterTheEnd(ofLock).Concat(AfterTheNext(history, ofLock)).Concat(AfterItsErasure(history, ofLock.Key, ofLock)).Concat(InSilence(history, ofLock)));

    /// <summary>A lease that is lost or released stays lost or released.</summary>
    private static IEnumerable<Violation> AfterTheEnd(IEnumerable<Execution> executions) =>
        from execution in executions
        let end = Math.Min(execution.Loss?.At ?? long.MaxValue, execution.Released?.At ?? long.MaxValue)
        let claim = execution.Claims.FirstOrDefault(c => c.At > end)
        where claim is not null
        select Violation.Of(Rule.Belief, $"The {execution.Name} found a lease its own that had ended.", [.. execution.Landmarks, claim]);

    /// <summary>
    /// Tokens show the order in which leases were granted, even if an answer was late. For a lock with a limit of one, a holder that still
    /// claims after the next grant is wrong, even if the next holder never claims.
    /// </summary>
    private static IEnumerable<Violation> AfterTheNext(IndexedHistory history, IGrouping<string, Execution> ofLock)
    {
        if (history.Terms.Of(ofLock.Key).Limit != 1)
        {
            return [];
        }

        IntervalSet erasures = history.ErasuresOf(ofLock.Key);
        return ofLock.Where(e => e.Granted is not null)
            .Select(e => (Execution: e, Erasure: erasures.Epoch(e.AskedAt, e.OutcomeAt), Clock: history.ClockSteps.Epoch(e.AskedAt, e.OutcomeAt)))
            .Where(e => e.Erasure is not null && e.Clock is not null)
            .GroupBy(e => (e.Erasure, e.Clock), e => e.Execution)
            .SelectMany(AfterTheNext);
    }

    private static IEnumerable<Violation> AfterTheNext(IEnumerable<Execution> granted)
    {
        // A claim is judged by what was reported strictly before it.
        List<(HistoryEvent Event, Execution Of)> steps = [.. granted
            .SelectMany(e => e.LastClaim is null ? [(e.Granted!, e)] : new[] { (e.Granted!, e), (e.LastClaim, e) })
            .OrderBy(s => s.Item1.At).ThenBy(s => s.Item1.What == HistoryEventKind.Granted)];
        Execution? last = null;
        foreach ((HistoryEvent told, Execution execution) in steps)
        {
            if (told.What == HistoryEventKind.Claimed && last is not null && last.Token > execution.Token)
            {
                yield return Violation.Of(Rule.Belief, $"The {execution.Name} still found the lease its own when the {last.Name} had been granted a later one.",
                    [.. execution.Landmarks, .. last.Landmarks]);
            }
            else if (told.What == HistoryEventKind.Granted && !(last?.Token > execution.Token))
            {
                last = execution;
            }
        }
    }

    /// <summary>A missing key is not renewed: its former holder has one expiry left at most, whatever the state of its link.</summary>
    private static IEnumerable<Violation> AfterItsErasure(IndexedHistory history, string name, IEnumerable<Execution> executions)
    {
        Interval[] certain = [.. history.Erased.Where(e => (e.Event.Lock.Length == 0 || e.Event.Lock == name) && Fault.KindOf(e.Event) != "perhaps").Select(e => e.Window).OrderBy(w => w.From)];
        long[] starts = [.. certain.Select(w => w.From)];
        long expiry = Terms.Ticks(history.Terms.Of(name).Expiry);
        foreach (Execution execution in executions.Where(e => e.Granted is not null && e.LastClaim is not null))
        {
            int i = Array.BinarySearch(starts, execution.OutcomeAt + 1);
            i = i < 0 ? ~i : i;
            if (i < certain.Length && certain[i].To < long.MaxValue - expiry && execution.LastClaim!.At > certain[i].To + expiry)
            {
                yield return Violation.Of(Rule.Belief, $"The {execution.Name} found a lease its own more than an expiry after it was erased.",
                    [.. execution.Landmarks, history.Erased.First(e => e.Window == certain[i]).Event]);
            }
        }
    }

    /// <summary>If no answer can arrive, nothing is renewed: the deadline passes within one expiry.</summary>
    private static IEnumerable<Violation> InSilence(IndexedHistory history, IGrouping<string, Execution> ofLock)
    {
        long patience = Terms.Ticks(history.Terms.Of(ofLock.Key).Expiry + history.Terms.Grace);
        Fault[] silences = [.. history.Faults.Where(f => history.Terms.Silences.Contains(f.Kind) && f.To - patience > f.From)];
        if (silences.Length == 0)
        {
            yield break;
        }

        foreach (IGrouping<string, Execution> ofProcess in ofLock.Where(e => e.LastClaim is not null).GroupBy(e => e.Process, StringComparer.Ordinal))
        {
            IntervalSet deaf = IntervalSet.Of(silences.Where(f => f.Concerns(ofProcess.Key, ofLock.Key, history.Terms)).Select(f => new Interval(f.From + patience, f.To)));
            foreach (Execution execution in ofProcess)
            {
                if (execution.Claims.FirstOrDefault(c => deaf.Touches(c.At, c.At)) is { } claim)
                {
                    yield return Violation.Of(Rule.Belief, $"The {execution.Name} found a lease its own although no answer had reached it for more than an expiry.",
                        [.. execution.Landmarks, claim, .. silences.Where(f => f.Interval.Touches(claim.At, claim.At)).Select(f => f.Event)]);
                }
            }
        }
    }
}
