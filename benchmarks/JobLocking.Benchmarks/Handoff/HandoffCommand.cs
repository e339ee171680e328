using System.CommandLine;

namespace JobLocking.Benchmarks.Handoff;

/// <summary><c>handoff</c>: how long it takes from the release of a lock until the next one holds it.</summary>
internal static class HandoffCommand
{
    public static Command Create()
    {
        Option<int> rounds = RoundsOption.Create("How often each case is measured, in turn.", rounds: 30);
        Option<string?> redis = new("--redis") { Description = "host:port of a Redis that is not used for anything else meanwhile; without it, one is started for the run." };
        Option<bool> json = new("--json") { Description = "Print one JSON object a line instead of a table." };

        Command command = new("handoff", "From the release of a lock until the next one holds it: a waiter in place, a deferred Hangfire job, a deferred Quartz job.")
        {
            rounds,
            redis,
            json,
        };
        command.SetAction(async (arguments, stop) =>
        {
            await using BenchmarkRedis server = await BenchmarkRedis.StartAsync(arguments.GetValue(redis));
            HandoffReport report = await HandoffRun.MeasureAsync(server, arguments.GetValue(rounds), stop);
            await (arguments.GetValue(json) ? report.WriteJsonAsync(Console.Out) : report.WriteTableAsync(Console.Out));
        });
        return command;
    }
}
