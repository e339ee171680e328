using JobLocking.ChaosTests.History;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// Judges by the contract what schedulers reported: each scheduled time has exactly one end in each living process, and with
/// OncePerOccurrence it has one run. It knows nothing about the implementation; of the faults it knows the times and the targets.
/// </summary>
/// <param name="events">What the schedulers reported.</param>
/// <param name="history">What was done to them.</param>
internal sealed class QuartzJudge(IReadOnlyList<QuartzEvent> events, IndexedHistory history)
{
    /// <summary>The interval of the schedule.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private readonly QuartzChain[] _chains = ChainsOf(events);

    /// <summary>All violations; none if the contract was kept.</summary>
    public static IReadOnlyList<QuartzFinding> Check(IReadOnlyList<QuartzEvent> events, IndexedHistory history)
    {
        QuartzJudge judge = new(events, history);
        return [.. judge.Schedule(), .. judge._chains.SelectMany(judge.Chain), .. Occurrences(judge._chains, events, history).Check()];
    }

    /// <summary>How many deferrals came back early.</summary>
    public static int Wakes(IReadOnlyList<QuartzEvent> events) => ChainsOf(events).Sum(c => c.Wakes);

    /// <summary>Why occurrences were run again after a complete run, where that is allowed.</summary>
    public static IEnumerable<string> Excuses(IReadOnlyList<QuartzEvent> events, IndexedHistory history) => Occurrences(ChainsOf(events), events, history).Excuses();

    /// <summary>What each process has to fire for each job: all times after it was scheduled and before it stops.</summary>
    public static IEnumerable<(string Process, string Job, DateTimeOffset Time)> Expected(IReadOnlyList<QuartzEvent> events, IndexedHistory history)
    {
        foreach (QuartzEvent from in events.Where(e => e.What == QuartzEventKind.Scheduled && !history.IsDead(e.Process)))
        {
            QuartzEvent? to = events.FirstOrDefault(e => e.What == QuartzEventKind.Stopping && e.Process == from.Process && e.At > from.At);
            DateTimeOffset first = new(from.Scheduled.Ticks - (from.Scheduled.Ticks % Interval.Ticks) + Interval.Ticks, TimeSpan.Zero);
            for (DateTimeOffset time = first; time < to?.Scheduled; time += Interval)
            {
                yield return (from.Process, from.Job, time);
            }
        }
    }

    /// <summary>What each process made of each time of the schedule of each job.</summary>
    public static QuartzChain[] ChainsOf(IReadOnlyList<QuartzEvent> events) =>
    [
        .. events.Where(e => e.Firing != 0 || e.What == QuartzEventKind.Pending)
            .GroupBy(e => (e.Process, e.Job, e.Scheduled))
            .Select(c => new QuartzChain(c.Key.Process, c.Key.Job, c.Key.Scheduled, c)),
    ];

    private static QuartzOccurrences Occurrences(QuartzChain[] chains, IReadOnlyList<QuartzEvent> events, IndexedHistory history) =>
        new(QuartzJobs.Once, chains, Expected(events, history).Where(e => e.Job == QuartzJobs.Once).Select(e => e.Time), history);

    private IEnumerable<QuartzFinding> Schedule()
    {
        ILookup<(string, string, DateTimeOffset), QuartzChain> chains = _chains.ToLookup(c => (c.Process, c.Job, c.Scheduled));
        return Expected(events, history).Where(e => !chains[e].Any())
            .Select(e => QuartzFinding.Of(QuartzRule.Schedule, $"{e.Process} has never fired {e.Job} of {e.Time:HH:mm:ss}."))
            .Concat(_chains.Where(c => c.Firings.Count(f => f.IsOfSchedule) != 1)
                .Select(c => QuartzFinding.Of(QuartzRule.Schedule, $"The schedule has not fired {c.Name} once.", c.Events)));
    }

    private IEnumerable<QuartzFinding> Chain(QuartzChain chain)
    {
        bool isDead = history.IsDead(chain.Process);
        foreach (QuartzFiring firing in chain.Firings)
        {
            if (WrongWith(firing, isDead) is { } what)
            {
                yield return QuartzFinding.Of(QuartzRule.Firing, $"A firing of {chain.Name} {what}.", firing.Events);
            }

            if (firing.End is { What: QuartzEventKind.Coalesced } && !IsCovered(chain, firing))
            {
                yield return QuartzFinding.Of(QuartzRule.Coalesced, $"No deferral was pending that could stand for {chain.Name}.", chain.Events);
            }

            if (firing.End is { What: QuartzEventKind.Failed or QuartzEventKind.Retried } && !MayFail(firing))
            {
                yield return QuartzFinding.Of(QuartzRule.Failed, $"{chain.Name} failed without a cause.", chain.Events);
            }

            if (firing.End is { What: QuartzEventKind.Skipped } skipped && WrongWithSkip(chain, firing, skipped) is { } why)
            {
                yield return QuartzFinding.Of(QuartzRule.Skipped, $"{chain.Name} was skipped {why}.", chain.Events);
            }
        }

        int endings = chain.Endings.Count();
        int pending = chain.Pending.Count();
        if (endings + pending > 1 || (endings + pending == 0 && !isDead))
        {
            yield return QuartzFinding.Of(QuartzRule.Chain, $"{chain.Name} has ended {endings} times, and {pending} triggers of it are left.", chain.Events);
        }
        else if (pending > 0)
        {
            yield return QuartzFinding.Of(QuartzRule.Rest, $"{chain.Name} has not come to its end, and nothing was in its way.", chain.Events);
        }
    }

    private static string? WrongWith(QuartzFiring firing, bool isDead) => firing switch
    {
        { Began.What: not QuartzEventKind.Fired } => "did not begin with a trigger",
        { Ends.Count: > 1 } => "has ended more than once",
        { Ends.Count: 0 } => isDead ? null : "has not ended",
        { End.What: QuartzEventKind.Cancelled } => "has ended without a word",
        { End.What: QuartzEventKind.Succeeded, Done: null } => "is taken for a success, and its job has not done its work",
        { End.What: not QuartzEventKind.Succeeded, Done: not null } => "is not taken for a success, and its job has done its work",
        { End.What: not (QuartzEventKind.Succeeded or QuartzEventKind.Failed or QuartzEventKind.Retried), Ran: not null } => "is said not to have run, and its job has",
        _ => null,
    };

    /// <summary>By a deferral of the same trigger that had not fired when this firing began.</summary>
    private bool IsCovered(QuartzChain chain, QuartzFiring firing) =>
        _chains.Any(c => c != chain && c.Process == chain.Process && c.Job == chain.Job && c.IsDeferredWithin(firing.Began.At, firing.EndedAt));

    /// <summary>
    /// A job that fails at random says so; any other has lost its lease, and the checker of the history examines the cause.
    /// </summary>
    private bool MayFail(QuartzFiring firing) =>
        firing.Ran is not null
        && ((firing.Began.Job == QuartzJobs.Defer && firing.End!.Detail.Contains("by chance", StringComparison.Ordinal)) || HasLost(firing));

    private bool HasLost(QuartzFiring firing) =>
        history.Executions.Any(e => e.Process == firing.Process && e.Number == firing.Began.Firing && e.Loss is not null);

    private string? WrongWithSkip(QuartzChain chain, QuartzFiring firing, QuartzEvent skipped) => chain.Job switch
    {
        _ when skipped.Detail.Length <= "Skipped: ".Length => "without a reason",
        QuartzJobs.Skip => firing.IsOfSchedule ? null : "at its second attempt",
        QuartzJobs.Once => _chains.Any(c => c.Job == chain.Job && c.Scheduled == chain.Scheduled && c.Firings.Any(f => f.Done?.At < skipped.At))
            ? null
            : "as if it had been run",
        _ => "although it defers",
    };
}
