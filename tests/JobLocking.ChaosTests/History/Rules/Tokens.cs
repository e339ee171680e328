using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>
/// A token is granted once, and a request after the report of a lease gets a greater one. The tokens exist to prevent a write under a
/// smaller token after that report.
/// </summary>
internal static class Tokens
{
    public static IEnumerable<Violation> Check(IndexedHistory history) =>
        history.ByLock.SelectMany(ofLock => Twice(ofLock).Concat(Backwards(history, ofLock)).Concat(WrittenBackwards(history, ofLock)));

    private static IEnumerable<Violation> Twice(IGrouping<string, Execution> ofLock)
    {
        Execution[] granted = [.. ofLock.Where(e => e.Granted is not null)];
        return granted.Where(e => e.Token <= 0).Select(e => Violation.Of(Rule.Tokens, $"The {e.Name} was granted a lease without a token.", e.Granted))
            .Concat(granted.Where(e => e.Token > 0).GroupBy(e => e.Token).Where(g => g.Skip(1).Any())
                .Select(g => Violation.Of(Rule.Tokens, $"Token {g.Key} of lock '{ofLock.Key}' was granted more than once.", g.Select(e => e.Granted))));
    }

    private static IEnumerable<Violation> Backwards(IndexedHistory history, IGrouping<string, Execution> ofLock)
    {
        Highest told = new();
        Dictionary<Execution, Execution?> toldWhenAsked = [];
        // Events of the same moment have no order: requests are noted before reports of grants.
        foreach ((long _, HistoryEventKind what, Execution execution) in ofLock.Where(e => e.Granted is not null)
            .SelectMany(e => new[] { (At: e.AskedAt, What: HistoryEventKind.Asked, Of: e), (At: e.OutcomeAt, What: HistoryEventKind.Granted, Of: e) })
            .OrderBy(s => s.At).ThenBy(s => s.What))
        {
            int? epoch = history.ClockSteps.Epoch(execution.AskedAt, execution.OutcomeAt);
            if (what == HistoryEventKind.Asked)
            {
                toldWhenAsked.Add(execution, told.In(epoch));
                continue;
            }

            if (toldWhenAsked[execution] is { } before && before.Token > execution.Token)
            {
                yield return Violation.Of(Rule.Tokens, $"The token of the {execution.Name} is smaller than the one that the {before.Name} had been told before it asked.",
                    before.Asked, before.Granted, execution.Asked, execution.Granted);
            }

            told.Add(epoch, execution);
        }
    }

    private static IEnumerable<Violation> WrittenBackwards(IndexedHistory history, IGrouping<string, Execution> ofLock)
    {
        if (history.Terms.Of(ofLock.Key).Limit != 1)
        {
            yield break;
        }

        Highest written = new();
        Dictionary<Execution, Execution?> writtenWhenClaimed = [];
        foreach ((HistoryEvent told, Execution execution) in ofLock.Where(e => e.Granted is not null)
            .SelectMany(e => e.Events.Where(told => told.What is HistoryEventKind.Claimed or HistoryEventKind.Wrote).Select(told => (Event: told, Of: e)))
            .OrderBy(s => s.Event.At).ThenBy(s => s.Event.What))
        {
            int? epoch = history.ClockSteps.Epoch(execution.AskedAt, execution.OutcomeAt);
            if (told.What == HistoryEventKind.Claimed)
            {
                writtenWhenClaimed[execution] = written.In(epoch);
                continue;
            }

            if (writtenWhenClaimed.GetValueOrDefault(execution) is { } before && before.Token > execution.Token)
            {
                yield return Violation.Of(Rule.Tokens, $"The {execution.Name} wrote under a smaller token than the {before.Name} before it.",
                    before.Granted, before.Events.First(e => e.What == HistoryEventKind.Wrote), execution.Granted, told);
            }

            written.Add(epoch, execution);
        }
    }

    /// <summary>The execution with the greatest token since the clock was last set back.</summary>
    private sealed class Highest
    {
        private readonly Dictionary<int, Execution> _byEpoch = [];

        public Execution? In(int? epoch) => epoch is { } known ? _byEpoch.GetValueOrDefault(known) : null;

        public void Add(int? epoch, Execution execution)
        {
            if (epoch is { } known && !(_byEpoch.GetValueOrDefault(known)?.Token > execution.Token))
            {
                _byEpoch[known] = execution;
            }
        }
    }
}
