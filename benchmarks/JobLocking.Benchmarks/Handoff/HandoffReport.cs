using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace JobLocking.Benchmarks.Handoff;

/// <summary>The output of a run, for people and programs.</summary>
internal sealed class HandoffReport(string redisVersion, int rounds, RoundTrips roundTrips, IReadOnlyList<HandoffResult> results)
{
    private const string Ours = "JobLocking";

    private double Busy { get; } = roundTrips.Busy.P50;

    private double Idle { get; } = roundTrips.Idle.P50;

    public async Task WriteTableAsync(TextWriter output)
    {
        await output.WriteLineAsync(
            $"""
            From the release of a lock until the next one holds it. Rounds of all cases in turn: {rounds}, after one that is not counted.
            {RuntimeInformation.OSDescription}, {Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}, Redis {redisVersion}.
            """);
        await output.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"A round trip (PING) takes {Busy:0.000} ms back to back, {Idle:0.000} ms after a pause (p50; p95 {roundTrips.Busy.P95:0.000} and {roundTrips.Idle.P95:0.000} ms)."));
        await output.WriteLineAsync();
        await output.WriteLineAsync(
            $"{"case",-40} {"library",-22} {"n",5} {"p50 ms",9} {"p95 ms",9} {"max ms",9} {"round trips",13} {"requests",9} {"commands",9}");
        foreach (HandoffResult result in results)
        {
            Spread times = result.Times;
            await output.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"{result.Of.Case,-40} {result.Of.Library,-22} {times.Count,5} {times.P50,9:0.00} {times.P95,9:0.00} {times.Max,9:0.00} {$"{times.P50 / Busy:0.0} / {times.P50 / Idle:0.0}",13} {result.RequestsEach,9:0.0} {result.CommandsEach,9:0.0}"));
        }

        await output.WriteLineAsync();
        await output.WriteLineAsync(
            """
            round trips  the p50 as a multiple of a round trip, back to back / after a pause
            requests     sent by the library for each handoff, a script is one; not what its waiters send while the lock is held
            commands     executed by the server meanwhile for each handoff, also within scripts, also for Hangfire's storage
            """);
    }

    /// <summary>One object a line; ratio is the rival's figure divided by ours.</summary>
    public async Task WriteJsonAsync(TextWriter output)
    {
        await output.WriteLineAsync(JsonSerializer.Serialize(new { @case = "round trip back to back: p50", unit = "ms", machine = Rounded(Busy) }));
        await output.WriteLineAsync(JsonSerializer.Serialize(new { @case = "round trip after a pause: p50", unit = "ms", machine = Rounded(Idle) }));
        foreach (IGrouping<string, HandoffResult> of in results.GroupBy(result => result.Of.Case))
        {
            await WriteAsync(of, "p50", "ms", result => result.Times.P50);
            await WriteAsync(of, "p95", "ms", result => result.Times.P95);
            await WriteAsync(of, "max", "ms", result => result.Times.Max);
            await WriteAsync(of, "p50", "round trips back to back", result => result.Times.P50 / Busy);
            await WriteAsync(of, "p50", "round trips after a pause", result => result.Times.P50 / Idle);
            await WriteAsync(of, "for each", "requests", result => result.RequestsEach);
            await WriteAsync(of, "for each", "commands", result => result.CommandsEach);
        }

        Task WriteAsync(IGrouping<string, HandoffResult> of, string what, string unit, Func<HandoffResult, double> value)
        {
            double ours = value(of.Single(result => result.Of.Library == Ours));
            HandoffResult[] rivals = [.. of.Where(result => result.Of.Library != Ours)];
            return output.WriteLineAsync(JsonSerializer.Serialize(new
            {
                @case = $"handoff, {of.Key}: {what}",
                unit,
                joblocking = Rounded(ours),
                rivals = rivals.ToDictionary(rival => rival.Of.Library, rival => Rounded(value(rival))),
                ratio = rivals.ToDictionary(rival => rival.Of.Library, rival => Rounded(value(rival) / ours)),
            }));
        }
    }

    private static double Rounded(double value) => Math.Round(value, 4);
}
