using System.Diagnostics;
using System.Globalization;
using System.Text;
using JobLocking.ChaosTests.History;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>
/// The runs of one job that fires once a second, in several processes with clocks of their own, by the occurrence that each stands for.
/// Faults excuse less here than in <see cref="QuartzOccurrences"/>: the scenario lets no process die that has done its work.
/// </summary>
/// <param name="job">The job.</param>
/// <param name="chains">What the processes made of the schedule.</param>
/// <param name="window">The occurrences that all processes can know.</param>
/// <param name="history">What was done to the processes.</param>
internal sealed class OccurrenceRuns(
    string job, IReadOnlyList<QuartzChain> chains, IReadOnlyList<DateTimeOffset> window, IndexedHistory history)
{
    private static readonly long HalfAnInterval = Terms.Ticks(TimeSpan.FromSeconds(0.5));

    private readonly QuartzFiring[] _firings =
        [.. chains.Where(c => c.Job == job).SelectMany(c => c.Firings).OrderBy(f => f.Began.At)];

    /// <summary>Above the lines of figures.</summary>
    public static string Heading =>
        $"{"job",-15}{"occurrences",12}{"finished once",15}{"twice",8}{"not",6}{"unfinished",12}{"firings",9}  runs by process";

    /// <summary>
    /// Each of the window is finished once, and every other at most once. Only a process that was killed leaves one of the window
    /// unfinished.
    /// </summary>
    public IEnumerable<QuartzFinding> FinishedOnce() => FinishedAtMostOnce().Concat(window
        .Where(time => !Runs(time).Any(f => f.Done is not null))
        .Select(time => QuartzFinding.Of(
            QuartzRule.Never,
            $"{Name(time)} was not finished.",
            chains.Where(c => c.Job == job && c.Scheduled == time).SelectMany(c => c.Events))));

    /// <summary>None is finished twice. Only a process that was killed leaves one of the window unfinished.</summary>
    public IEnumerable<QuartzFinding> FinishedAtMostOnce()
    {
        QuartzOccurrences judge = new(job, chains, [], history);
        return judge.Twice()
            .Concat(judge.Excuses().Select(excuse => QuartzFinding.Of(QuartzRule.Twice, $"{job} was run again: {excuse}.")))
            .Concat(window.SelectMany(Runs).Where(f => f.Done is null && !history.IsDead(f.Process)).Select(f =>
                QuartzFinding.Of(QuartzRule.Firing, $"{Name(f.Ran!.Scheduled)} was not finished by {f.Process}, which lives.", f.Events)));
    }

    /// <summary>
    /// Where two firings in a row of one process lie between two runs, and stand for occurrences that had not been run. The lease of a
    /// killed process keeps the job from running until it expires.
    /// </summary>
    public IEnumerable<QuartzFinding> StoodStill()
    {
        long idleSince = long.MaxValue;
        bool isDead = false;
        foreach (QuartzFiring run in _firings.Where(f => f.Ran is not null).OrderBy(f => f.Ran!.At))
        {
            IGrouping<string, QuartzFiring>? idle = isDead ? null : Idle(idleSince, run.Ran!.At).GroupBy(f => f.Process)
                .FirstOrDefault(process => process.Last().Began.At - process.First().Began.At > HalfAnInterval);
            if (idle is not null)
            {
                yield return QuartzFinding.Of(
                    QuartzRule.StoodStill, $"{job} did not run, although {idle.Key} fired it.", idle.SelectMany(f => f.Events));
            }

            isDead = run.Done is null;
            idleSince = run.Done?.At ?? history.DiedAt(run.Process);
        }
    }

    /// <summary>One line of figures.</summary>
    public string Summary()
    {
        int[] finished = [.. window.Select(time => Runs(time).Count(f => f.Done is not null))];
        int unfinished = _firings.Count(f => f.Ran is not null && f.Done is null);
        IEnumerable<string> runs = _firings.Where(f => f.Done is not null).GroupBy(f => f.Process)
            .OrderBy(process => process.Key, StringComparer.Ordinal).Select(process => $"{process.Key} {process.Count()}");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{job,-15}{window.Count,12}{finished.Count(n => n == 1),15}{finished.Count(n => n > 1),8}{finished.Count(n => n == 0),6}")
            + string.Create(CultureInfo.InvariantCulture, $"{unfinished,12}{_firings.Length,9}  {string.Join(", ", runs)}");
    }

    /// <summary>What each process made of each occurrence, and when, in seconds.</summary>
    public override string ToString()
    {
        StringBuilder table = new();
        foreach (IGrouping<DateTimeOffset, QuartzFiring> occurrence in _firings.GroupBy(f => f.Began.Scheduled).OrderBy(o => o.Key))
        {
            table.Append(Name(occurrence.Key)).Append(':');
            foreach (QuartzFiring firing in occurrence)
            {
                double at = Stopwatch.GetElapsedTime(_firings[0].Began.At, firing.Began.At).TotalSeconds;
                table.Append(CultureInfo.InvariantCulture, $" | {firing.Process} {at:0.000} ").Append(firing switch
                {
                    { Done: not null } => "finished",
                    { Ran: not null } => "began",
                    { End: { } end } => $"{end.What} {end.Detail}",
                    _ => "came back as another",
                });
            }

            table.AppendLine();
        }

        return table.ToString();
    }

    /// <summary>Firings that began and ended within a stretch, of occurrences that had not been run by then.</summary>
    private IEnumerable<QuartzFiring> Idle(long from, long to) => from >= to ? [] : _firings.Where(f =>
        f.Began.What == QuartzEventKind.Fired
        && f.Began.At > from
        && f.EndedAt < to
        && !Runs(f.Began.Scheduled).Any(r => r.Ran!.At < f.Began.At));

    private IEnumerable<QuartzFiring> Runs(DateTimeOffset time) => _firings.Where(f => f.Ran?.Scheduled == time);

    private string Name(DateTimeOffset time) => string.Create(CultureInfo.InvariantCulture, $"{job} of {time:HH:mm:ss}");
}
