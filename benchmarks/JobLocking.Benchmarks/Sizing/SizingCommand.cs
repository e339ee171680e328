using System.CommandLine;

namespace JobLocking.Benchmarks.Sizing;

/// <summary><c>sizing</c>: what a lock costs the Redis that keeps it.</summary>
internal static class SizingCommand
{
    public static Command Create()
    {
        Command command = new("sizing", "The keys and memory of a lock in Redis, and the requests and commands of each operation. Starts a Redis of its own.");
        command.SetAction(async (_, stop) =>
        {
            await using BenchmarkRedis redis = await BenchmarkRedis.StartAsync(given: null);
            await using SizingRun run = await SizingRun.StartAsync(redis);
            await run.WriteAsync(Console.Out, stop);
        });
        return command;
    }
}
