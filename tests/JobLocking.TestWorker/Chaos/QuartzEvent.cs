using System.Diagnostics;
using System.Globalization;

namespace JobLocking.TestWorker.Chaos;

/// <summary>One line of what the schedulers tell.</summary>
/// <param name="At">On the machine's monotonic clock, as in <see cref="HistoryEvent"/>.</param>
/// <param name="Process">Who tells it.</param>
/// <param name="What">What happened.</param>
/// <param name="Job">Which of the jobs; each has one trigger of the same name. Empty if it is about all.</param>
/// <param name="Scheduled">The time that the schedule meant.</param>
/// <param name="Firing">Its number, which is that of the execution in the history. 0 if it is about none.</param>
/// <param name="Detail">For people, but for a deferral: the seconds after which it comes back.</param>
internal sealed record QuartzEvent(long At, string Process, QuartzHappening What, string Job, DateTimeOffset Scheduled, long Firing = 0, string Detail = "")
{
    private const string Mark = "quartz";

    public static QuartzEvent Now(string process, QuartzHappening what, string job, DateTimeOffset scheduled, long firing = 0, string detail = "") =>
        new(Stopwatch.GetTimestamp(), process, what, job, scheduled, firing, detail);

    /// <summary>Null if the line is none of these.</summary>
    public static QuartzEvent? Parse(string line)
    {
        string[] parts = line.Split('\t');
        return parts is [Mark, var at, var process, var what, var job, var scheduled, var firing, var detail]
            ? new QuartzEvent(Number(at), process, Enum.Parse<QuartzHappening>(what), job, DateTimeOffset.Parse(scheduled, CultureInfo.InvariantCulture), Number(firing), detail)
            : null;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Mark}\t{At}\t{Process}\t{What}\t{Job}\t{Scheduled:O}\t{Firing}\t{Detail.ReplaceLineEndings(" ").Replace('\t', ' ')}");

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
