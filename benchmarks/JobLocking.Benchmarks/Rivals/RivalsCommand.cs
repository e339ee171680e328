using System.CommandLine;
using System.Globalization;

namespace JobLocking.Benchmarks.Rivals;

/// <summary><c>rivals</c>: what everything costs, beside the rivals and beside the same work done by hand.</summary>
internal static class RivalsCommand
{
    public static Command Create()
    {
        Option<int> rounds = new("--rounds") { Description = "How often each contender is measured, in turn.", DefaultValueFactory = _ => 9 };
        Option<bool> smoke = new("--smoke") { Description = "One short round of everything: shows that it works, and nothing about how fast." };
        Option<string?> only = new("--case") { Description = "Only this case." };
        Option<bool> json = new("--json") { Description = "Print one JSON object a line instead of a table." };
        only.AcceptOnlyFromAmong([.. RivalsRun.Names]);
        rounds.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => !int.TryParse(token.Value, CultureInfo.InvariantCulture, out int value) || value < 1))
            {
                result.AddError("--rounds has to be a number from 1.");
            }
        });

        Command command = new("rivals", "What everything costs, side by side with the rivals, in one run on a Redis of its own.") { rounds, smoke, only, json };
        command.SetAction(async (arguments, _) =>
        {
            Effort effort = arguments.GetValue(smoke) ? new Effort(Rounds: 1, Share: 0.01) : new Effort(arguments.GetValue(rounds), Share: 1);
            await using BenchmarkRedis redis = await BenchmarkRedis.StartAsync(given: null);
            IAsyncEnumerable<Row> rows = RivalsRun.MeasureAsync(redis, effort, arguments.GetValue(only));
            await (arguments.GetValue(json) ? RivalsReport.WriteJsonAsync(rows, Console.Out) : RivalsReport.WriteTableAsync(rows, redis, effort, Console.Out));
        });
        return command;
    }
}
