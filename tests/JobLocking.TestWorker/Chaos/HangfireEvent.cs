using System.Diagnostics;
using System.Globalization;

namespace JobLocking.TestWorker.Chaos;

/// <summary>One line that a worker of Hangfire reports.</summary>
/// <param name="At">On the machine's monotonic clock, as in <see cref="HistoryEvent"/>.</param>
/// <param name="Process">The process that reports it.</param>
/// <param name="What">What happened.</param>
/// <param name="Number">The number that the test gave the job.</param>
/// <param name="Performance">The worker's own number for this performance, the same as that of the execution in the history.</param>
internal sealed record HangfireEvent(long At, string Process, HangfireEventKind What, int Number, long Performance)
{
    private const string Mark = "hangfire";

    public static HangfireEvent Now(string process, HangfireEventKind what, int number, long performance) =>
        new(Stopwatch.GetTimestamp(), process, what, number, performance);

    /// <summary>Null if the line is not such an event.</summary>
    public static HangfireEvent? Parse(string line)
    {
        string[] parts = line.Split('\t');
        return parts is [Mark, var at, var process, var what, var number, var performance]
            ? new HangfireEvent(Number64(at), process, Enum.Parse<HangfireEventKind>(what), (int)Number64(number), Number64(performance))
            : null;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Mark}\t{At}\t{Process}\t{What}\t{Number}\t{Performance}");

    private static long Number64(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
