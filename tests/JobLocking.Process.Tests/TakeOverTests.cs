using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Process.Tests;

/// <summary>
/// A process is killed in the middle of an occurrence. On RAM stores another stands by and takes the occurrence over; in a cluster
/// another recovers the run, and waits for the lease of the dead one.
/// </summary>
public sealed class TakeOverTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task When_a_process_is_killed_another_runs_its_occurrence_once(bool clustered)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        await using PostgresServer? database = clustered ? await PostgresServer.StartAsync() : null;
        string[] store = database is null ? [] : [database.ConnectionString];

        // One after the other: the first makes the tables.
        await using WorkerProcess first = await WorkerProcess.StartAsync(["take-over", redis.ConnectionString, "first", .. store]);
        await using WorkerProcess second = await WorkerProcess.StartAsync(["take-over", redis.ConnectionString, "second", .. store]);
        await using WorkerProcess third = await WorkerProcess.StartAsync(["take-over", redis.ConnectionString, "third", .. store]);
        WorkerProcess[] all = [first, second, third];
        string at = $"{DateTimeOffset.UtcNow:yyyy-MM-ddTHH:mm:ss.0000000+00:00}";
        foreach (WorkerProcess worker in clustered ? [first] : all)
        {
            worker.Tell(at);
        }

        WorkerProcess runner = await StartedAsync(all);
        string occurrence = await runner.SaysAsync("occurrence ");

        await runner.KillAsync();
        WorkerProcess successor = await StartedAsync(all.Except([runner]));

        Assert.StartsWith($"occurrence {at}", occurrence, StringComparison.Ordinal);
        Assert.Equal(occurrence.Replace("False", $"{clustered}", StringComparison.Ordinal), await successor.SaysAsync("occurrence "));
        Assert.False(all.Except([runner, successor]).Single().HasSaid("started"));
    }

    private static Task<WorkerProcess> StartedAsync(IEnumerable<WorkerProcess> workers) =>
        Eventually.SeesAsync(() => workers.FirstOrDefault(worker => worker.HasSaid("started"))!, worker => worker is not null, TimeSpan.FromSeconds(60));
}
