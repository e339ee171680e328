using System.Diagnostics;
using System.Globalization;
using JobLocking.Engine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Quartz;
using StackExchange.Redis;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// Two nodes in one process, which share only their Redis, and do in seconds the work of a day. Commands, one a line: <c>run count</c> runs
/// executions of all kinds; <c>hosts count</c> starts, uses, stops and disposes of hosts, one after the other; <c>restarts count</c>
/// replaces the scheduler of one host, again and again; <c>usage</c> reports what the process uses; the end of the input ends the process.
/// </summary>
internal static class ResourcesWorker
{
    private const string Scheduler = "scheduler";

    private static readonly JobKey Job = new("job");

    public static async Task<int> RunAsync(string redis)
    {
        using IHost first = await StartAsync(redis, "node-1");
        using IHost second = await StartAsync(redis, "node-2");
        await using ConnectionMultiplexer shared = await ConnectionMultiplexer.ConnectAsync(redis);
        MixedLoad day = new(new Node(first.Services), new Node(second.Services));
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is { } command)
        {
            long began = Stopwatch.GetTimestamp();
            switch (command.Split(' '))
            {
                case ["run", var count]:
                    string kinds = await day.RunAsync(int.Parse(count, CultureInfo.InvariantCulture));
                    WorkerOutput.Report($"ran {count} in {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s: {kinds}");
                    break;
                case ["hosts", var count]:
                    for (int i = 0; i < int.Parse(count, CultureInfo.InvariantCulture); i++)
                    {
                        await UseHostAsync(redis, i % 2 == 0 ? shared : null, new Node(second.Services));
                    }

                    WorkerOutput.Report($"hosted {count} in {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s");
                    break;
                case ["restarts", var count]:
                    for (int i = 0; i < int.Parse(count, CultureInfo.InvariantCulture); i++)
                    {
                        await RestartAsync(second.Services);
                    }

                    WorkerOutput.Report($"restarted {count} in {Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s");
                    break;
                case ["usage"]:
                    WorkerOutput.Report(ResourceUsage.Now().ToString());
                    break;
                default:
                    throw new ArgumentException($"Unknown: {command}");
            }
        }

        await second.StopAsync();
        await first.StopAsync();
        return 0;
    }

    /// <param name="redis">The address of Redis.</param> <param name="node">The name of the node.</param> <param name="shared">A connection
    /// that outlives the host; null for one of its own.</param>
    private static async Task<IHost> StartAsync(string redis, string node, IConnectionMultiplexer? shared = null)
    {
        HostApplicationBuilder builder = LoggedEvents.CreateHost();

        // Skips, deferrals and failures would be logged tens of thousands of times here.
        builder.Logging.SetMinimumLevel(LogLevel.Error);
        builder.Services.AddJobLocking(o => (o.NodeName, o.OccurrenceRetention) = (node, MixedLoad.Retention)).UseRedis(r =>
        {
            r.Configuration = shared is null ? redis : null;
            r.ConnectionMultiplexerFactory = shared is null ? null : () => Task.FromResult(shared);
        });
        builder.Services.AddQuartz(Scheduler, q => q.AddTaskLocks(o => o.ForJob(Job, new TaskLockAttribute("scheduled") { Expire = MixedLoad.Expire })));
        builder.Services.AddQuartzHostedService(o => o.WaitForJobsToComplete = true);
        IHost host = builder.Build();
        await host.StartAsync();
        return host;
    }

    /// <summary>Each has run its job under its lock once.</summary>
    private static async Task RestartAsync(IServiceProvider services)
    {
        TaskCompletionSource ran = new(TaskCreationOptions.RunContinuationsAsynchronously);
        IScheduler scheduler = await services.GetRequiredService<ISchedulerRuntime>().Restart(Scheduler);
        RanJob.Ran = ran.SetResult;
        await scheduler.ScheduleJob(JobBuilder.Create<RanJob>().WithIdentity(Job).Build(), TriggerBuilder.Create().StartNow().Build());
        await ran.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    /// <summary>The host stops while a lease is held, an execution is deferred and a wait continues.</summary>
    private static async Task UseHostAsync(string redis, IConnectionMultiplexer? shared, Node other)
    {
        using IHost host = await StartAsync(redis, "node-3", shared);
        Node node = new(host.Services);
        await using TaskLease lease = await node.Locks.AcquireAsync("host-held", MixedLoad.Short);
        await using TaskLease others = await other.Locks.AcquireAsync("host-contended", MixedLoad.Short);
        LockExecution execution = node.Execution(new TaskLockAttribute("host-contended") { Expire = MixedLoad.Expire }, "host-contended");
        LockDecision.Defer deferral = (LockDecision.Defer)await node.Engine.DecideAsync(execution, CancellationToken.None);
        deferral.Stored(() => new(false));
        using CancellationTokenSource impatient = new();
        Task waiting = node.Locks.AcquireAsync("host-contended", MixedLoad.Short, impatient.Token).AsTask();
        await host.StopAsync();
        await impatient.CancelAsync();
        await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private sealed class RanJob(ITaskLeaseAccessor lease) : IJob
    {
        public static Action Ran { get; set; } = static () => { };

        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
        {
            lease.Required.ThrowIfLost();
            Ran();
            return default;
        }
    }
}
