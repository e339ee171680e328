using Hangfire;
using Hangfire.Redis.StackExchange;
using Hangfire.Server;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// A node with a Hangfire server on the storage that all nodes share, which no fault reaches. Commands, one a line: <c>rest</c> waits until
/// nothing is performed; the end of the input ends the process.
/// </summary>
internal static class HangfireChaosWorker
{
    /// <summary>After this time a job is taken away from a worker that has not ended it: longer than any fault lasts.</summary>
    public static readonly TimeSpan Invisibility = TimeSpan.FromSeconds(15);

    public static async Task<int> RunAsync(string lockRedis, string resourceRedis, string process)
    {
        await using ConnectionMultiplexer resource = await ConnectionMultiplexer.ConnectAsync(resourceRedis);
        HangfireReporter reporter = new(process, new ExecutionReporter(process, new ProtectedCounters(resource.GetDatabase())));
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddSingleton(reporter);
        builder.Services.AddJobLocking(o => o.NodeName = process).UseRedis(lockRedis);
        builder.Services.AddHangfire((sp, hangfire) => hangfire
            .UseStorage(Storage(resource))
            .UseFilter(new AutomaticRetryAttribute { Attempts = 20, DelaysInSeconds = [1] })
            .UseFilter(reporter)
            .UseTaskLocks(sp));
        builder.Services.AddHangfireServer(o =>
        {
            o.WorkerCount = 6;
            o.SchedulePollingInterval = TimeSpan.FromSeconds(1);
        }).AddHangfireTaskLocks();
        using IHost host = builder.Build();
        await host.StartAsync();
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is { } command)
        {
            if (command != "rest")
            {
                throw new ArgumentException($"Unknown: {command}");
            }

            while (reporter.Going > 0)
            {
                await Task.Delay(10);
            }

            WorkerOutput.Report("rested");
        }

        await host.StopAsync();
        return 0;
    }

    /// <summary>The storage of the jobs.</summary>
    public static JobStorage Storage(IConnectionMultiplexer connection) => new ImpatientStorage(connection);

    /// <summary>Checks every second, instead of every minute, for jobs whose worker has died.</summary>
    private sealed class ImpatientStorage(IConnectionMultiplexer connection) : RedisStorage(
        connection, new RedisStorageOptions { Prefix = JobWorker.Storage, InvisibilityTimeout = Invisibility, FetchTimeout = TimeSpan.FromSeconds(1) })
    {
#pragma warning disable CS0618, CS0672 // There is no other way to reach the member that it overrides.
        public override IEnumerable<IServerComponent> GetComponents() => base.GetComponents().Select(component => new Impatient(component));

        private sealed class Impatient(IServerComponent component) : IServerComponent
        {
            public void Execute(CancellationToken cancellationToken)
            {
                using CancellationTokenSource awake = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                awake.CancelAfter(TimeSpan.FromSeconds(1));
                component.Execute(awake.Token);
            }
        }
#pragma warning restore CS0618, CS0672
    }
}
