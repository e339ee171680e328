using CsCheck;
using JobLocking.TestWorker.Chaos;
using Xunit;
using static JobLocking.TestWorker.Chaos.HistoryEventKind;

namespace JobLocking.ChaosTests.History;

/// <summary>
/// Histories of a correct lock, whatever the order of its requests: the checker accepts all of them, and rejects each one that was altered.
/// </summary>
public sealed class GeneratedHistoryTests
{
    private static readonly Terms Promised = new(
        new Dictionary<string, LockTerms> { ["x"] = new(1, TimeSpan.FromMilliseconds(300)) }, TimeSpan.FromMilliseconds(1000))
    { Grace = TimeSpan.FromMilliseconds(50) };

    // What one execution does: how long after the last one it requests the lock, how long it holds it, how often it claims, and which other
    // execution requests it meanwhile.
    private static readonly Gen<(int Pause, int Claims, int Who, int Beside, bool Waits)[]> Loads =
        Gen.Select(Gen.Int[1, 20], Gen.Int[1, 5], Gen.Int[0, 3], Gen.Int[0, 4], Gen.Bool).Array[2, 30];

    [Fact]
    public void A_lock_that_keeps_the_contract_is_never_accused() =>
        Loads.Sample(load => Assert.Empty(Checker.Check(Run(load), Promised)), iter: 2000);

    [Fact]
    public void Tokens_that_are_swapped_are_found() =>
        Gen.Select(Loads, Gen.Int[0, 1000]).Sample((load, pick) =>
        {
            IReadOnlyList<HistoryEvent> history = Run(load);
            HistoryEvent[] granted = [.. history.Where(e => e.What == Granted)];
            HistoryEvent one = granted[pick % (granted.Length - 1)];
            HistoryEvent next = granted[(pick % (granted.Length - 1)) + 1];
            Dictionary<long, long> swapped = new() { [one.Token] = next.Token, [next.Token] = one.Token };
            Accuses([.. history.Select(e => e with { Token = swapped.GetValueOrDefault(e.Token, e.Token) })], Rule.Tokens, Rule.Belief);
        }, iter: 500);

    [Fact]
    public void A_claim_after_the_release_is_found() =>
        Gen.Select(Loads, Gen.Int[0, 1000]).Sample((load, pick) =>
        {
            IReadOnlyList<HistoryEvent> history = Run(load);
            HistoryEvent[] released = [.. history.Where(e => e.What == Released)];
            HistoryEvent one = released[pick % released.Length];
            Accuses([.. history, one with { At = one.At + 1, What = Claimed }], Rule.Belief);
        }, iter: 500);

    [Fact]
    public void A_hold_that_overlaps_with_the_next_is_found() =>
        Gen.Select(Loads, Gen.Int[0, 1000]).Sample((load, pick) =>
        {
            IReadOnlyList<HistoryEvent> history = Run(load);
            HistoryEvent[] granted = [.. history.Where(e => e.What == Granted)];
            HistoryEvent one = granted[pick % (granted.Length - 1)];
            HistoryEvent next = granted[(pick % (granted.Length - 1)) + 1];
            // It neither releases the lock nor stops believing in its lease.
            Accuses([.. history.Where(e => e.Token != one.Token || e.What is not (Releasing or Released)), one with { At = next.At + 1, What = Claimed },
                one with { At = history[^1].At, What = Releasing }, one with { At = history[^1].At + 1, What = Released }], Rule.Exclusion);
        }, iter: 500);

    [Fact]
    public void An_outcome_that_is_missing_is_found() =>
        Gen.Select(Loads, Gen.Int[0, 1000]).Sample((load, pick) =>
        {
            IReadOnlyList<HistoryEvent> history = Run(load);
            HistoryEvent[] outcomes = [.. history.Where(e => e.What is Granted or Contended or Released)];
            HistoryEvent one = outcomes[pick % outcomes.Length];
            Accuses([.. history.Where(e => e != one)], Rule.Outcome);
        }, iter: 500);

    [Fact]
    public void A_write_that_is_not_counted_is_found() =>
        Loads.Sample(load =>
        {
            IReadOnlyList<HistoryEvent> history = Run(load);
            Terms counted = Promised with { Locks = new Dictionary<string, LockTerms> { ["x"] = Promised.Of("x") with { Count = history.Count(e => e.What == Wrote) } } };
            Assert.Empty(Checker.Check(history, counted));
            Assert.Contains(Checker.Check([.. history, history.First(e => e.What == Wrote)], counted), v => v.Rule == Rule.LostUpdate);
        }, iter: 200);

    private static void Accuses(IReadOnlyList<HistoryEvent> history, params Rule[] rules)
    {
        IReadOnlyList<Violation> found = Checker.Check(history, Promised);
        Assert.Contains(found, v => rules.Contains(v.Rule));
    }

    /// <summary>One holder after the other; an execution that requests the lock meanwhile waits and is the next, or is refused.</summary>
    private static IReadOnlyList<HistoryEvent> Run((int Pause, int Claims, int Who, int Beside, bool Waits)[] load)
    {
        HistoryBuilder past = new();
        long at = 0;
        long number = 0;
        (string Process, long Number)? waiting = null;
        foreach ((int pause, int claims, int who, int beside, bool waits) in load)
        {
            at += pause;
            (string process, long holder) = waiting ?? ($"p{who}", ++number);
            if (waiting is null)
            {
                past.Asked(at++, process, holder);
            }

            waiting = null;
            long token = holder + at;
            past.Then(at++, Granted, process, holder, token);
            if (beside > 0)
            {
                (string, long) other = ($"p{beside}", ++number);
                past.Asked(at++, other.Item1, other.Item2);
                waiting = waits ? other : null;
                if (!waits)
                {
                    past.Then(at++, Contended, other.Item1, other.Item2);
                }
            }

            for (int i = 0; i < claims; i++)
            {
                past.Then(at++, Claimed, process, holder, token).Then(at++, Wrote, process, holder, token);
            }

            past.Then(at++, Releasing, process, holder, token).Then(at++, Released, process, holder, token);
            at++;
        }

        if (waiting is { } last)
        {
            past.Then(at, Cancelled, last.Process, last.Number);
        }

        return past.Events;
    }
}
