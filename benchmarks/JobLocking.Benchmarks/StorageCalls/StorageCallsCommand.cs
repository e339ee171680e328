using System.CommandLine;
using System.Globalization;

namespace JobLocking.Benchmarks.StorageCalls;

/// <summary><c>storage-calls</c>: what a Hangfire job costs its storage, with and without a lock.</summary>
internal static class StorageCallsCommand
{
    public static Command Create()
    {
        Option<int> rounds = RoundsOption.Create("How often each job is run. The median is printed.", rounds: 3);

        Command command = new("storage-calls", "What a Hangfire job costs its storage, in calls, changes of state and rows of history, on four storages.") { rounds };
        command.SetAction(async (arguments, stop) =>
        {
            await using BenchmarkRedis redis = await BenchmarkRedis.StartAsync(given: null);
            await Console.Out.WriteLineAsync($"{"storage",-12} {"job",-42} {"calls",6} {"over bare",10} {"states",7} {"rows",5}");
            await foreach ((string storage, string job, StorageCost cost, StorageCost bare) in StorageCallsRun.MeasureAsync(redis, arguments.GetValue(rounds), stop))
            {
                await Console.Out.WriteLineAsync(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{storage,-12} {job,-42} {cost.Calls,6} {cost.Calls - bare.Calls,10:+0;-0;0} {cost.States,7} {cost.Rows,5}"));
            }

            await Console.Out.WriteLineAsync(
                """

                calls   of the storage, by the worker and by a wake-up, from the fetch of the job to its last state
                states  changes of state; a second one is a second transaction under the lock of the job
                rows    of the history of the job
                The lock itself costs requests to its own Redis; `rivals` counts these.
                """);
        });
        return command;
    }
}
