using System.Globalization;
using Hangfire;
using Hangfire.Redis.StackExchange;
using Hangfire.States;
using Hangfire.Storage;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;
using StackExchange.Redis;

namespace JobLocking.TestWorker;

/// <summary>
/// A node with both schedulers, whose jobs and other callers need the same lock. It reports what the schedulers do with a job, and all
/// calls of the store. Deferred jobs would come back by themselves after an hour: a job that comes sooner was woken. The nodes of one
/// deployment have one Hangfire storage.
/// </summary>
internal sealed class QueueWorker(IHost host, IScheduler scheduler, JournaledWork work, int limit)
{
    private const string Lock = "queue";

    private const int Expire = 3;

    private readonly IBackgroundJobClient _hangfire = host.Services.GetRequiredService<IBackgroundJobClient>();

    private readonly ITaskLocks _locks = host.Services.GetRequiredService<ITaskLocks>();

    public static async Task<int> RunAsync(string locks, string jobs, string deployment, int limit)
    {
        using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(jobs);
        using JournaledWork work = new(connection.GetDatabase(), limit);
        TaskLockAttribute taskLock = new(Lock) { Expire = Expire, Limit = limit, DeferBy = 3600 };

        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddSingleton(work);
        builder.Services.AddJobLocking(o => o.ForJob<HangfireJob>(taskLock).ForJob<QuartzJob>(taskLock)).UseRedis(locks);
        ReportingStore.Insert(builder.Services);
        builder.Services.AddHangfire((sp, hangfire) => hangfire
            // A worker that checks the queue just before a job arrives can miss its signal, and would then sleep for three minutes.
            .UseRedisStorage(connection, new RedisStorageOptions { Prefix = $"{deployment}:", FetchTimeout = TimeSpan.FromSeconds(1) })
            .UseFilter(new StateReporter())
            .UseTaskLocks(sp));
        builder.Services.AddHangfireServer(o => o.WorkerCount = 6).AddHangfireTaskLocks();
        builder.Services.AddQuartz(q =>
        {
            q.AddTaskLocks().AddJobListener(new FiringReporter());
            q.AddJob<QuartzJob>(j => j.WithIdentity("work").StoreDurably());
        });
        builder.Services.AddQuartzHostedService(o => o.WaitForJobsToComplete = true);
        using IHost host = builder.Build();
        await host.StartAsync();
        IScheduler scheduler = await host.Services.GetRequiredService<ISchedulerFactory>().GetScheduler();
        WorkerOutput.Report("ready");
        await new QueueWorker(host, scheduler, work, limit).ObeyAsync();
        await host.StopAsync();
        return 0;
    }

    private async Task ObeyAsync()
    {
        while ((await WorkerInput.NextCommandAsync())?.Split(' ') is [var what, .. var rest] && what != "stop")
        {
            bool isHeld = rest is [_, "held"];
            int count = int.Parse(rest[0], CultureInfo.InvariantCulture);
            if (what == "end")
            {
                work.End(count);
                continue;
            }

            for (int i = 0; i < count; i++)
            {
                await StartAsync(what, isHeld);
            }
        }
    }

    private async Task StartAsync(string what, bool isHeld)
    {
        switch (what)
        {
            case "hangfire":
                _hangfire.Enqueue<HangfireJob>(job => job.Run(isHeld));
                break;
            case "quartz":
                await scheduler.ScheduleJob(TriggerBuilder.Create().ForJob("work").UsingJobData("held", $"{isHeld}").StartNow().Build());
                break;
            case "wait":
                _ = WaitAsync(isHeld);
                break;
            default:
                throw new ArgumentException($"Unknown: {what}");
        }
    }

    private async Task WaitAsync(bool isHeld)
    {
        await using TaskLease lease = await _locks.AcquireAsync(Lock, new TaskLockOptions { Expire = TimeSpan.FromSeconds(Expire), Limit = limit });
        await work.DoAsync(isHeld, lease);
    }

    public sealed class HangfireJob(IServiceProvider services)
    {
        public Task Run(bool isHeld) => services.GetRequiredService<JournaledWork>().DoAsync(isHeld, services.GetRequiredService<ITaskLeaseAccessor>().Required);
    }

    internal sealed class QuartzJob(JournaledWork work, ITaskLeaseAccessor lease) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            await work.DoAsync((string?)context.MergedJobDataMap["held"] == bool.TrueString, lease.Required);
    }

    private sealed class StateReporter : IApplyStateFilter
    {
        public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction) => WorkerOutput.Report($"state {context.BackgroundJob.Id} {context.NewState.Name}");

        public void OnStateUnapplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
        {
        }
    }

    private sealed class FiringReporter : IJobListener
    {
        public string Name => "firing reporter";

        public ValueTask JobToBeExecuted(IJobExecutionContext context, CancellationToken cancellationToken = default)
        {
            WorkerOutput.Report($"fired {context.Trigger.Key}");
            return default;
        }
    }
}
