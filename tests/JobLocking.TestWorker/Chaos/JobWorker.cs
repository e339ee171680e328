using System.Globalization;
using Hangfire;
using Hangfire.Redis.StackExchange;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;
using StackExchange.Redis;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// A node with one scheduler, whose jobs need one lock and report everything that they do and observe. Commands, one a line:
/// <c>run number manner</c> starts a job (<c>obedient</c>: ends with its cancellation token, <c>stubborn</c>: ignores it); <c>end</c> ends
/// all running jobs; <c>stop</c> begins to stop the host, and <c>dispose</c> disposes of it, while running jobs continue; the end of the
/// input ends the process. All nodes have one Hangfire storage, each with one worker that checks every second for due jobs; Quartz triggers
/// die with their process.
/// </summary>
internal sealed class JobWorker(ExecutionReporter executions) : IDisposable
{
    /// <summary>The prefix of all keys of Hangfire.</summary>
    public const string Storage = "jobs:";

    private const string Lock = "x";

    private readonly CancellationTokenSource _end = new();

    public static async Task<int> RunAsync(string lockRedis, string resourceRedis, string node, string scheduler, string expire, string deferBy, string patience)
    {
        await using ConnectionMultiplexer resource = await ConnectionMultiplexer.ConnectAsync(resourceRedis);
        using JobWorker worker = new(new ExecutionReporter(node, new ProtectedCounters(resource.GetDatabase())));
        TaskLockAttribute taskLock = new(Lock) { Expire = Number(expire), DeferBy = Number(deferBy) };
        TimeSpan longestStop = TimeSpan.FromSeconds(Number(patience));

        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddSingleton(worker);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = longestStop);
        builder.Services.AddJobLocking(o =>
        {
            o.NodeName = node;
            o.ForJob<HangfireJob>(taskLock).ForJob<QuartzJob>(taskLock);
        }).UseRedis(lockRedis);
        Action<IServiceProvider, int, string> run = scheduler == "hangfire" ? AddHangfire(builder.Services, resource, longestStop) : AddQuartz(builder.Services);
        using IHost host = builder.Build();
        host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.Register(() => WorkerOutput.Report("stopping"));
        await host.StartAsync();
        await ChaosWorker.ConnectAsync(host.Services.GetRequiredService<ITaskLocks>());
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is { } command)
        {
            switch (command.Split(' '))
            {
                case ["run", var number, var manner]:
                    run(host.Services, Number(number), manner);
                    break;
                case ["end"]:
                    await worker._end.CancelAsync();
                    break;
                case ["stop"]:
                    _ = StopAsync(host);
                    break;
                case ["dispose"]:
                    host.Dispose();
                    WorkerOutput.Report("disposed");
                    break;
                default:
                    throw new ArgumentException($"Unknown: {command}");
            }
        }

        return 0;
    }

    public void Dispose() => _end.Dispose();

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static Action<IServiceProvider, int, string> AddHangfire(IServiceCollection services, ConnectionMultiplexer resource, TimeSpan longestStop)
    {
        services.AddHangfire((sp, hangfire) => hangfire
            // A worker that checks the queue just before a job arrives can miss its signal, and would then sleep for three minutes.
            .UseRedisStorage(resource, new RedisStorageOptions { Prefix = Storage, FetchTimeout = TimeSpan.FromSeconds(1) })
            // Failed jobs are not retried: a job that comes back was requeued.
            .UseFilter(new AutomaticRetryAttribute { Attempts = 0 })
            .UseTaskLocks(sp));
        services.AddHangfireServer(o =>
        {
            o.WorkerCount = 1;
            o.SchedulePollingInterval = TimeSpan.FromSeconds(1);
            o.ShutdownTimeout = longestStop;
        }).AddHangfireTaskLocks();
        return static (services, number, manner) =>
            services.GetRequiredService<IBackgroundJobClient>().Enqueue<HangfireJob>(job => job.Run(number, manner, CancellationToken.None));
    }

    private static Action<IServiceProvider, int, string> AddQuartz(IServiceCollection services)
    {
        services.AddQuartz(q =>
        {
            q.AddTaskLocks();
            q.ConfigureScheduler(s => s.ShutdownJobInterruption = ShutdownJobInterruption.Always);
            q.AddJob<QuartzJob>(j => j.WithIdentity("work").StoreDurably());
        });
        services.AddQuartzHostedService(o => o.WaitForJobsToComplete = true);
        return static (services, number, manner) => _ = FireAsync(services, number, manner);
    }

    private static async Task FireAsync(IServiceProvider services, int number, string manner)
    {
        IScheduler scheduler = await services.GetRequiredService<ISchedulerFactory>().GetScheduler();
        await scheduler.ScheduleJob(TriggerBuilder.Create().ForJob("work")
            .UsingJobData("number", number.ToString(CultureInfo.InvariantCulture)).UsingJobData("manner", manner).StartNow().Build());
    }

    private static async Task StopAsync(IHost host)
    {
        try
        {
            await host.StopAsync();
        }
        catch (OperationCanceledException)
        {
            WorkerOutput.Report("out of patience");
        }

        WorkerOutput.Report("stopped");
    }

    private async Task WorkAsync(int number, string manner, TaskLease lease, CancellationToken cancellationToken)
    {
        executions.Report(HistoryEventKind.Granted, number, Lock, lease.FencingToken);
        CancellationToken shutdown = manner == "obedient" ? cancellationToken : CancellationToken.None;
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(_end.Token, shutdown);
        await executions.WorkAsync(Lock, lease, number, isShared: false, done.Token);
        executions.Report(HistoryEventKind.Releasing, number, Lock, lease.FencingToken);
        shutdown.ThrowIfCancellationRequested();
        lease.ThrowIfLost();
    }

    public sealed class HangfireJob(IServiceProvider services)
    {
        public Task Run(int number, string manner, CancellationToken cancellationToken) =>
            services.GetRequiredService<JobWorker>().WorkAsync(number, manner, services.GetRequiredService<ITaskLeaseAccessor>().Required, cancellationToken);
    }

    internal sealed class QuartzJob(JobWorker worker, ITaskLeaseAccessor lease) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await worker.WorkAsync(
            Number((string)context.MergedJobDataMap["number"]!), (string)context.MergedJobDataMap["manner"]!, lease.Required, cancellationToken);
    }
}
