using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace JobLocking.Benchmarks.Rivals;

/// <summary>The output of a run, for people and programs, row by row as it comes.</summary>
internal static class RivalsReport
{
    public static async Task WriteHeadingAsync(BenchmarkRedis redis, Effort effort, TextWriter output)
    {
        await output.WriteLineAsync(
            $"""
            Medians of {effort.Rounds} rounds after one that is not counted, each case in a process of its own, its contenders in turn, up to {effort.ShortestTurns} times a round.
            Ratios are ours to theirs, the median of those of each turn.
            {DateTimeOffset.UtcNow:yyyy-MM-dd}, {RuntimeInformation.OSDescription}, {Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}, Redis {redis.Version}.

            """);
        await output.WriteLineAsync(Line("case", "unit", "JobLocking", "(least … most)", "met", "target"));
    }

    public static async Task WriteTableAsync(IAsyncEnumerable<Row> rows, TextWriter output)
    {
        await foreach (Row row in rows)
        {
            await output.WriteLineAsync(Line(
                row.Case, row.Unit, Short(row.JobLocking), $"({Short(row.Least)} … {Short(row.Most)})", row.Met ? "yes" : row.Limit is null ? "NO" : "limit", row.Target));
            foreach ((string rival, double value) in row.Rivals)
            {
                await output.WriteLineAsync($"{Line($"    {rival}", row.Unit, Short(value), "", "", double.IsFinite(row.Ratio[rival]) ? $"ratio {Short(row.Ratio[rival])}" : "")}");
            }

            if (row.Limit is { } limit)
            {
                await output.WriteLineAsync($"    limit: {limit}");
            }
        }
    }

    /// <summary>One object a line.</summary>
    public static async Task WriteJsonAsync(IAsyncEnumerable<Row> rows, TextWriter output)
    {
        await foreach (Row row in rows)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(new
            {
                @case = row.Case,
                unit = row.Unit,
                joblocking = Rounded(row.JobLocking),
                spread = new[] { Rounded(row.Least), Rounded(row.Most) },
                rivals = row.Rivals.ToDictionary(rival => rival.Key, rival => Rounded(rival.Value)),
                ratio = row.Ratio.Where(rival => double.IsFinite(rival.Value)).ToDictionary(rival => rival.Key, rival => Rounded(rival.Value)),
                target = row.Target,
                met = row.Met,
                limit = row.Limit,
            }));
        }
    }

    private static string Line(string @case, string unit, string ours, string spread, string met, string target) =>
        $"{@case,-62} {unit,-9} {ours,12} {spread,23}  {met,-6} {target}".TrimEnd();

    /// <summary>Null where there is no number: a rival whose figure is zero has no ratio, and JSON no infinity.</summary>
    private static double? Rounded(double value) => double.IsFinite(value) ? Math.Round(value, 4) : null;

    /// <summary>No more digits than are significant.</summary>
    private static string Short(double value) => Math.Abs(value) switch
    {
        >= 100 => value.ToString("#,0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.ToString("0.00", CultureInfo.InvariantCulture),
    };
}
