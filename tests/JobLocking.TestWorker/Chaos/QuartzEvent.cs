using System.Diagnostics;
using System.Globalization;

namespace JobLocking.TestWorker.Chaos;

/// <summary>One line that a scheduler reports.</summary>
/// <param name="At">On the machine's monotonic clock, as in <see cref="HistoryEvent"/>.</param>
/// <param name="Process">The process that reports it.</param>
/// <param name="What">What happened.</param>
/// <param name="Job">Which of the jobs; each has one trigger of the same name. Empty if it is about all.</param>
/// <param name="Scheduled">The scheduled fire time.</param>
/// <param name="Firing">Its number, the same as that of the execution in the history. 0 if there is none.</param>
/// <param name="Detail">For people; for a deferral the seconds after which it comes back.</param>
internal sealed record QuartzEvent(long At, string Process, QuartzEventKind What, string Job, DateTimeOffset Scheduled, long Firing = 0, string Detail = "")
{
    private const string Mark = "quartz";

    public static QuartzEvent Now(string process, QuartzEventKind what, string job, DateTimeOffset scheduled, long firing = 0, string detail = "") =>
        new(Stopwatch.GetTimestamp(), process, what, job, scheduled, firing, detail);

    /// <summary>Null if the line is not such an event.</summary>
    public static QuartzEvent? Parse(string line)
    {
        string[] parts = line.Split('\t');
        return parts is [Mark, var at, var process, var what, var job, var scheduled, var firing, var detail]
            ? new QuartzEvent(Number(at), process, Enum.Parse<QuartzEventKind>(what), job, DateTimeOffset.Parse(scheduled, CultureInfo.InvariantCulture), Number(firing), detail)
            : null;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Mark}\t{At}\t{Process}\t{What}\t{Job}\t{Scheduled:O}\t{Firing}\t{Detail.ReplaceLineEndings(" ").Replace('\t', ' ')}");

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
