using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.TestWorker;

/// <summary>A node with a scheduler on a RAM store of its own, which fires one job on command, and another at a given time.</summary>
internal static class QuartzWorker
{
    public static async Task<int> RunAsync(string redis, string node, string startAt)
    {
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddJobLocking(o => o.NodeName = node).UseRedis(redis);
        builder.Services.AddQuartz(q =>
        {
            q.AddTaskLocks();
            q.AddJob<PlainJob>(j => j.WithIdentity("plain").StoreDurably());
            q.AddJob<RecurringJob>(j => j.WithIdentity("recurring").StoreDurably());
            q.AddJob<OccurrenceJob>(j => j.WithIdentity("occurrence").StoreDurably());
            q.AddTrigger(t => t.ForJob("occurrence").WithIdentity("at").StartAt(DateTimeOffset.Parse(startAt, CultureInfo.InvariantCulture)));
        });
        builder.Services.AddQuartzHostedService();
        using IHost host = builder.Build();
        await host.StartAsync();
        IScheduler scheduler = await host.Services.GetRequiredService<ISchedulerFactory>().GetScheduler();
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is { } command)
        {
            // "fire hourly" fires now, and again when the test is over.
            TriggerBuilder<IJob> trigger = TriggerBuilder.Create().ForJob(command == "fire" ? "plain" : "recurring").StartNow();
            if (command == "fire hourly")
            {
                trigger.WithSchedule(SimpleScheduleBuilder.Create().WithInterval(TimeSpan.FromHours(1)).RepeatForever());
            }

            await scheduler.ScheduleJob(trigger.Build());
        }

        return 0;
    }

    [TaskLock("process-lock", Expire = 3, DeferBy = 3600)]
    internal sealed class PlainJob(ITaskLeaseAccessor lease) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await WorkerOutput.RunUntilLostAsync("quartz", lease.Required);
    }

    [TaskLock("process-recurring", Expire = 10, DeferBy = 3600)]
    internal sealed class RecurringJob(ITaskLeaseAccessor lease) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await WorkerOutput.RunUntilLostAsync("recurring", lease.Required);
    }

    [TaskLock("process-occurrence", Expire = 3, DeferBy = 3600, OncePerOccurrence = OncePerOccurrence.Always)]
    internal sealed class OccurrenceJob(ITaskLeaseAccessor lease) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await WorkerOutput.RunUntilLostAsync("occurrence", lease.Required);
    }
}
