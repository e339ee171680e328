using System.Diagnostics;
using System.Globalization;

namespace JobLocking.Simulation;

/// <summary>The arguments, and the table of results.</summary>
internal static class CommandLine
{
    private const string Usage = """
        --seeds 1-3000         runs these seeds, prints a table and how to replay what failed; with --digests a line for each
        --for 10m              runs seeds that nobody has drawn yet, for so long (s, m, h)
        --seed 4711 [--trace]  runs one; with its whole course of events
        """;

    private const int MostShown = 20;

    public static async Task<int> RunAsync(string[] args, TextWriter output)
    {
        switch (args)
        {
            case ["--seeds", var range, .. var rest] when TryRange(range, out int from, out int to) && rest is [] or ["--digests"]:
                return await RunAsync(Enumerable.Range(from, to - from + 1), rest.Length > 0, output);
            case ["--for", var time] when TryTime(time, out TimeSpan length):
                Stopwatch clock = Stopwatch.StartNew();
                int first = Random.Shared.Next(1_000_000, 2_000_000_000);
                return await RunAsync(Enumerable.Range(first, 100_000_000).TakeWhile(_ => clock.Elapsed < length), digests: false, output);
            case ["--seed", var one, .. var rest] when int.TryParse(one, CultureInfo.InvariantCulture, out int seed) && rest is [] or ["--trace"]:
                return await ReplayAsync(seed, rest.Length > 0, output);
            default:
                await output.WriteLineAsync(Usage);
                return 2;
        }
    }

    private static async Task<int> RunAsync(IEnumerable<int> seeds, bool digests, TextWriter output)
    {
        Stopwatch clock = Stopwatch.StartNew();
        int courses = 0, works = 0, violations = 0, shown = 0;
        ulong digest = 0;
        Dictionary<string, int> faults = new(StringComparer.Ordinal);
        foreach (int seed in seeds)
        {
            Outcome outcome = await SimulationRun.RunAsync(seed, isTraced: false);
            courses++;
            works += outcome.Works;
            digest = (digest * 31) + outcome.History.Digest;
            foreach ((string fault, int count) in outcome.Faults)
            {
                faults[fault] = faults.GetValueOrDefault(fault) + count;
            }

            if (digests)
            {
                await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"seed {seed} digest {outcome.History.Digest:x16}"));
            }

            violations += outcome.Violations.Count;
            if (outcome.Violations.Count > 0 && shown++ < MostShown)
            {
                await PrintAsync(outcome, output);
            }
        }

        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"seeds       {courses,8}   digest {digest:x16}"));
        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"executions  {works,8}"));
        foreach ((string fault, int count) in faults.OrderBy(one => one.Key, StringComparer.Ordinal))
        {
            await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"faults      {count,8}   {fault}"));
        }

        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"violations  {violations,8}   in {shown} seeds"));
        await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{clock.Elapsed.TotalSeconds:0} s"));
        return courses > 0 && violations == 0 ? 0 : 1;
    }

    private static async Task<int> ReplayAsync(int seed, bool isTraced, TextWriter output)
    {
        Outcome outcome = await SimulationRun.RunAsync(seed, isTraced);
        foreach (string line in outcome.History.Lines)
        {
            await output.WriteLineAsync(line);
        }

        await output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"seed {seed}: {outcome.Works} executions, digest {outcome.History.Digest:x16}, {outcome.Violations.Count} violations"));
        if (outcome.Violations.Count > 0)
        {
            await PrintAsync(outcome, output);
        }

        return outcome.Violations.Count == 0 ? 0 : 1;
    }

    private static async Task PrintAsync(Outcome outcome, TextWriter output)
    {
        await output.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture, $"seed {outcome.Seed} failed; replay it: dotnet run --project tests/JobLocking.Simulation -- --seed {outcome.Seed} --trace"));
        foreach (string violation in outcome.Violations)
        {
            await output.WriteLineAsync($"  {violation}");
        }
    }

    private static bool TryRange(string text, out int from, out int to)
    {
        string[] ends = text.Split('-');
        from = to = 0;
        return ends.Length == 2 && int.TryParse(ends[0], CultureInfo.InvariantCulture, out from) && int.TryParse(ends[1], CultureInfo.InvariantCulture, out to) && to >= from;
    }

    private static bool TryTime(string text, out TimeSpan time)
    {
        time = default;
        if (text.Length < 2 || !double.TryParse(text[..^1], CultureInfo.InvariantCulture, out double number))
        {
            return false;
        }

        time = text[^1] switch
        {
            's' => TimeSpan.FromSeconds(number),
            'm' => TimeSpan.FromMinutes(number),
            'h' => TimeSpan.FromHours(number),
            _ => TimeSpan.Zero,
        };
        return time > TimeSpan.Zero;
    }
}
