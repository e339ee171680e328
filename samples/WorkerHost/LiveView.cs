using System.Globalization;
using JobLocking;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace WorkerHost;

/// <summary>Shows the holders of the locks and the outcomes of the executions. Prints plain lines if the output is redirected.</summary>
internal sealed class LiveView
{
    private const int MostNews = 12;

    private readonly LiveDisplayContext? _terminal;
    private readonly Queue<string> _news = new();
    private IReadOnlyList<HeldLock> _held = [];
    private IRenderable _table = Text.Empty;

    private LiveView(LiveDisplayContext? terminal) => _terminal = terminal;

    public static Task RunAsync(Func<LiveView, Task> body) => AnsiConsole.Profile.Out.IsTerminal
        ? AnsiConsole.Live(Text.Empty).StartAsync(terminal => body(new LiveView(terminal)))
        : body(new LiveView(null));

    public void Show(IReadOnlyList<HeldLock> held, IReadOnlyList<JournalEntry> news, Audit audit)
    {
        foreach (JournalEntry entry in news)
        {
            switch (entry.Kind)
            {
                case JournalKind.Enter:
                    Add($"{entry.Node} runs {entry.Work}{(entry.Occurrence is { } time ? $" of {time:HH:mm:ss}" : "")}");
                    break;
                case JournalKind.Skipped or JournalKind.Deferred or JournalKind.Lost:
                    Add($"{entry.Node} {entry.Kind.ToString().ToLowerInvariant()}: {entry.Text}");
                    break;
            }
        }

        if (_terminal is null)
        {
            foreach (HeldLock taken in held.ExceptBy(_held.Select(Lease), Lease))
            {
                Add($"held: {taken.Name} by {Holder(taken)}, time left {Left(taken)}");
            }

            foreach ((string name, string waiter) in Waiters(held).Except(Waiters(_held)))
            {
                Add($"waiting: {waiter} for {name}");
            }
        }

        _held = held;
        _table = Table(held, audit);
        Refresh();
    }

    public void Report(string line)
    {
        Add(line);
        Refresh();
    }

    private static Table Table(IReadOnlyList<HeldLock> held, Audit audit)
    {
        Table table = new Table().AddColumns("lock", "held by", "time left", "waiting", "ran", "skipped", "deferred", "lost");
        ILookup<string, HeldLock> holders = held.ToLookup(taken => taken.Name);
        foreach (string name in audit.Tallies.Keys.Union(held.Select(taken => taken.Name)).Order(StringComparer.Ordinal))
        {
            HeldLock[] taken = [.. holders[name]];
            Tally tally = audit.Tallies.GetValueOrDefault(name) ?? new Tally();
            table.AddRow(
                new Text(name), Lines(taken.Select(Holder)), Lines(taken.Select(Left)), WaitersOf(taken),
                Number(tally.Ran), Number(tally.Skipped), Number(tally.Deferred), Number(tally.Lost));
        }

        Summary summary = audit.Summary;
        return table.Caption(
            $"nodes: {summary.Nodes}, processes: {summary.Processes}, overlaps: {summary.Overlaps}, "
            + $"duplicate occurrences: {summary.DuplicateOccurrences}; press Ctrl+C to stop");
    }

    private static (string Name, long? FencingToken) Lease(HeldLock taken) => (taken.Name, taken.FencingToken);

    private static string Holder(HeldLock taken) => taken.Holder is { } holder ? $"{holder.Node}, {holder.Scheduler}" : "a foreign client";

    private static Text WaitersOf(HeldLock[] taken)
    {
        const int Shown = 3;
        string[] waiters = [.. Waiters(taken).Select(waiting => waiting.Waiter)];
        return Lines(waiters.Length > Shown ? waiters[..Shown].Append($"and {waiters.Length - Shown} more") : waiters);
    }

    /// <summary>The waiters of each lock, oldest first. All holders of a lock have the same list.</summary>
    private static IEnumerable<(string Name, string Waiter)> Waiters(IEnumerable<HeldLock> held) =>
        held.DistinctBy(taken => taken.Name)
            .SelectMany(taken => taken.Waiters.Select(waiter => (taken.Name, Describe(waiter.Description))));

    private static string Describe(LockHolder waiter) => $"{waiter.Node}, {waiter.Scheduler} #{waiter.Execution}";

    private static Text Lines(IEnumerable<string> lines) => new(string.Join('\n', lines));

    private static string Left(HeldLock taken) =>
        taken.TimeLeft is { } left ? string.Create(CultureInfo.InvariantCulture, $"{left.TotalSeconds:0.0} s") : "no expiry";

    private static Text Number(int count) => new(count.ToString(CultureInfo.InvariantCulture));

    private void Add(string line)
    {
        line = $"{TimeProvider.System.GetLocalNow():HH:mm:ss.f} {line}";
        if (_terminal is null)
        {
            Console.WriteLine(line);
            return;
        }

        _news.Enqueue(line);
        if (_news.Count > MostNews)
        {
            _news.Dequeue();
        }
    }

    private void Refresh() => _terminal?.UpdateTarget(new Rows([_table, .. _news.Select(line => new Text(line))]));
}
