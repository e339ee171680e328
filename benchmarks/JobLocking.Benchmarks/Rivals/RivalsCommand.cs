using System.CommandLine;

namespace JobLocking.Benchmarks.Rivals;

/// <summary><c>rivals</c>: what everything costs, next to the rivals and next to the same work done by hand.</summary>
internal static class RivalsCommand
{
    public static Command Create()
    {
        Option<int> rounds = RoundsOption.Create("How often each contender is measured, in turn.", rounds: 9);
        Option<bool> smoke = new("--smoke") { Description = "One short round of everything: shows that it works, and nothing about how fast." };
        Option<string?> only = new("--case") { Description = "Only this case." };
        Option<string?> given = new("--redis") { Description = "host:port of a Redis that is not used for anything else meanwhile; without it, one is started for the run." };
        Option<bool> json = new("--json") { Description = "Print one JSON object a line instead of a table." };
        Option<bool> rowsOnly = new("--rows-only") { Description = "No heading: for a case in the midst of others.", Hidden = true };
        only.AcceptOnlyFromAmong([.. RivalsRun.Names]);

        Command command = new("rivals", "What everything costs, side by side with the rivals, in one run on a Redis of its own.") { rounds, smoke, only, given, json, rowsOnly };
        command.SetAction(async (arguments, stop) =>
        {
            Effort effort = arguments.GetValue(smoke) ? new Effort(Rounds: 1, Share: 0.01) : new Effort(arguments.GetValue(rounds), Share: 1);
            await using BenchmarkRedis redis = await BenchmarkRedis.StartAsync(arguments.GetValue(given));
            if (!arguments.GetValue(json) && !arguments.GetValue(rowsOnly))
            {
                await RivalsReport.WriteHeadingAsync(redis, effort, Console.Out);
            }

            if (arguments.GetValue(only) is { } name)
            {
                IAsyncEnumerable<Row> rows = RivalsRun.MeasureAsync(redis, effort, name);
                await (arguments.GetValue(json) ? RivalsReport.WriteJsonAsync(rows, Console.Out) : RivalsReport.WriteTableAsync(rows, Console.Out));
            }
            else
            {
                string[] same =
                [
                    "rivals", rowsOnly.Name, given.Name, redis.Endpoint, rounds.Name, $"{arguments.GetValue(rounds)}",
                    .. arguments.GetValue(smoke) ? [smoke.Name] : Array.Empty<string>(),
                    .. arguments.GetValue(json) ? [json.Name] : Array.Empty<string>(),
                ];
                await RivalsRun.RunAllAsync(one => [.. same, only.Name, one], stop);
            }
        });
        return command;
    }
}
