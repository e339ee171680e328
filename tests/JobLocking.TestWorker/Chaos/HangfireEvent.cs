using System.Diagnostics;
using System.Globalization;

namespace JobLocking.TestWorker.Chaos;

/// <summary>One line of what the workers of Hangfire tell.</summary>
/// <param name="At">On the machine's monotonic clock, as in <see cref="HistoryEvent"/>.</param>
/// <param name="Process">Who tells it.</param>
/// <param name="What">What happened.</param>
/// <param name="Number">Of the job, as whoever enqueued it counts.</param>
/// <param name="Performance">The worker's own number of this performance of it, which is that of the execution in the history.</param>
internal sealed record HangfireEvent(long At, string Process, HangfireHappening What, int Number, long Performance)
{
    private const string Mark = "hangfire";

    public static HangfireEvent Now(string process, HangfireHappening what, int number, long performance) =>
        new(Stopwatch.GetTimestamp(), process, what, number, performance);

    /// <summary>Null if the line is none of these.</summary>
    public static HangfireEvent? Parse(string line)
    {
        string[] parts = line.Split('\t');
        return parts is [Mark, var at, var process, var what, var number, var performance]
            ? new HangfireEvent(Number64(at), process, Enum.Parse<HangfireHappening>(what), (int)Number64(number), Number64(performance))
            : null;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Mark}\t{At}\t{Process}\t{What}\t{Number}\t{Performance}");

    private static long Number64(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
