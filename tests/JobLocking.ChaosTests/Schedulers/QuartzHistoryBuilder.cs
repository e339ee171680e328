using System.Diagnostics;
using JobLocking.ChaosTests.History;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>Builds what schedulers reported, and what was done to them: moments in milliseconds, scheduled times in seconds.</summary>
internal sealed class QuartzHistoryBuilder
{
    private readonly List<QuartzEvent> _events = [];
    private readonly HistoryBuilder _history = new();
    private long _firings;

    /// <summary>The process fires the job from the beginning to the end of this time.</summary>
    public QuartzHistoryBuilder Node(string process, string job, long from = 0, long? to = null)
    {
        Tell(from, process, QuartzEventKind.Scheduled, job, Time(from));
        return to is { } end ? Tell(end, process, QuartzEventKind.Stopping, "", Time(end)) : this;
    }

    /// <summary>One firing.</summary>
    /// <param name="process">The process.</param> <param name="job">The job.</param> <param name="second">The scheduled time.</param>
    /// <param name="from">When it began.</param> <param name="to">When it ended.</param> <param name="end">How it ended; null if its
    /// process was killed.</param>
    /// <param name="trigger">What fired it, if not the schedule.</param>
    /// <param name="detail">Details of its end.</param>
    /// <param name="runs">Whether its job was started, 10 ms after it began.</param>
    /// <param name="done">Whether its job did its work, until 10 ms before it ended.</param>
    /// <param name="loses">Whether it learned that its lease is lost.</param>
    public QuartzHistoryBuilder Firing(
        string process, string job, long second, long from, long to, QuartzEventKind? end, string trigger = "", string detail = "because", bool runs = false, bool done = false, bool loses = false)
    {
        long number = ++_firings;
        DateTimeOffset time = Time(second * 1000);
        Tell(from, process, QuartzEventKind.Fired, job, time, number, trigger.Length == 0 ? $"DEFAULT.{job} 0" : trigger);
        if (runs)
        {
            Tell(from + 10, process, QuartzEventKind.Ran, job, time, number);
        }

        if (done)
        {
            Tell(to - 10, process, QuartzEventKind.Done, job, time, number);
        }

        if (loses)
        {
            _history.Asked(from, process, number, job).Then(from + 10, HistoryEventKind.Granted, process, number, number).Then(to - 5, HistoryEventKind.Lost, process, number, number);
        }

        return end is { } what ? Tell(to, process, what, job, time, number, what == QuartzEventKind.Skipped && detail.Length > 0 ? $"Skipped: {detail}" : detail) : this;
    }

    /// <summary>A firing whose job does its work.</summary>
    public QuartzHistoryBuilder Run(string process, string job, long second, long from, long to, string trigger = "") =>
        Firing(process, job, second, from, to, QuartzEventKind.Succeeded, trigger, runs: true, done: true);

    /// <summary>A firing that comes back by itself after a second.</summary>
    public QuartzHistoryBuilder Deferred(string process, string job, long second, long from, long to, string trigger = "") =>
        Firing(process, job, second, from, to, QuartzEventKind.Deferred, trigger, "1 Deferred: because");

    public QuartzHistoryBuilder Pending(string process, string job, long second, long at) => Tell(at, process, QuartzEventKind.Pending, job, Time(second * 1000));

    public QuartzHistoryBuilder Fault(string kind, string target, long from, long? to = null)
    {
        _history.Fault(kind, target, from, to);
        return this;
    }

    public QuartzHistoryBuilder Erased(long at)
    {
        _history.Erased(at);
        return this;
    }

    public IReadOnlyList<QuartzFinding> Judge()
    {
        Dictionary<string, LockTerms> locks = QuartzJobs.All.Keys.ToDictionary(j => j, _ => new LockTerms(1, Lab.Expiry));
        return QuartzJudge.Check([.. _events.OrderBy(e => e.At)], new IndexedHistory(_history.Events, new Terms(locks, Lab.Liveness)));
    }

    /// <summary>The runs of a job that fires each second, where the occurrences of some seconds are to be run.</summary>
    public OccurrenceRuns Runs(string job, params int[] seconds) => new(
        job,
        QuartzJudge.ChainsOf([.. _events.OrderBy(e => e.At)]),
        [.. seconds.Select(second => Time(second * 1000L))],
        new IndexedHistory(_history.Events, new Terms(new Dictionary<string, LockTerms>(), Lab.Liveness)));

    public int Wakes() => QuartzJudge.Wakes([.. _events.OrderBy(e => e.At)]);

    private QuartzHistoryBuilder Tell(long at, string process, QuartzEventKind what, string job, DateTimeOffset scheduled, long firing = 0, string detail = "")
    {
        _events.Add(new QuartzEvent(at * Stopwatch.Frequency / 1000, process, what, job, scheduled, firing, detail));
        return this;
    }

    private static DateTimeOffset Time(long milliseconds) => DateTimeOffset.UnixEpoch.AddMilliseconds(milliseconds);
}
