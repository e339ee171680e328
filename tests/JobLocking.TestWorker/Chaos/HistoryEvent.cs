using System.Diagnostics;
using System.Globalization;

namespace JobLocking.TestWorker.Chaos;

/// <summary>One line of a history.</summary>
/// <param name="At">On the machine's monotonic clock, which all its processes share: see <see cref="Stopwatch.GetTimestamp"/>.</param>
/// <param name="Process">The process that reports it, or the target of a fault.</param>
/// <param name="What">What happened.</param>
/// <param name="Execution">The number of the execution, unique in its process. 0 if there is none.</param>
/// <param name="Lock">The lock it is about, or empty.</param>
/// <param name="Token">The fencing token, or 0.</param>
/// <param name="Detail">For people; the kind of a fault.</param>
internal sealed record HistoryEvent(long At, string Process, HistoryEventKind What, long Execution = 0, string Lock = "", long Token = 0, string Detail = "")
{
    private const string Mark = "history";

    public static HistoryEvent Now(string process, HistoryEventKind what, long execution = 0, string @lock = "", long token = 0, string detail = "") =>
        new(Stopwatch.GetTimestamp(), process, what, execution, @lock, token, detail);

    /// <summary>Null if the line is not such an event.</summary>
    public static HistoryEvent? Parse(string line)
    {
        string[] parts = line.Split('\t');
        return parts is [Mark, var at, var process, var what, var execution, var name, var token, var detail]
            ? new HistoryEvent(Number(at), process, Enum.Parse<HistoryEventKind>(what), Number(execution), Uri.UnescapeDataString(name), Number(token), detail)
            : null;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Mark}\t{At}\t{Process}\t{What}\t{Execution}\t{Uri.EscapeDataString(Lock)}\t{Token}\t{Detail.ReplaceLineEndings(" ").Replace('\t', ' ')}");

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
