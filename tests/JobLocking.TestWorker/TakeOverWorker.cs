using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.TestWorker;

/// <summary>
/// A node on a RAM store of its own, or in a cluster on one database. The command, a time, schedules an hourly job from then on.
/// </summary>
internal static class TakeOverWorker
{
    public static async Task<int> RunAsync(string redis, string node, string? database)
    {
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddJobLocking(o => o.NodeName = node).UseRedis(redis);
        builder.Services.AddQuartz(q =>
        {
            q.AddTaskLocks();
            q.AddJob<EndlessJob>(j => j.WithIdentity("endless").StoreDurably().RequestRecovery());
            if (database is not null)
            {
                q.UsePersistentStore(store =>
                {
                    store.UsePostgres(database).ProvisionSchema();
                    store.UseClustering(c => (c.CheckinInterval, c.CheckinMisfireThreshold) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3)));
                });
            }
        });
        builder.Services.AddQuartzHostedService();
        using IHost host = builder.Build();
        await host.StartAsync();
        IScheduler scheduler = await host.Services.GetRequiredService<ISchedulerFactory>().GetScheduler();
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is { } time)
        {
            DateTimeOffset start = DateTimeOffset.Parse(time, CultureInfo.InvariantCulture);
            await scheduler.ScheduleJob(TriggerBuilder.Create().ForJob("endless").WithIdentity("hourly").StartAt(start)
                .WithSchedule(CalendarIntervalScheduleBuilder.Create().WithInterval(1, IntervalUnit.Hour)).Build());
        }

        return 0;
    }

    [TaskLock("endless", Expire = 3, DeferBy = 3600)]
    internal sealed class EndlessJob(ITaskLeaseAccessor lease) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
        {
            WorkerOutput.Report($"occurrence {context.GetOriginalFireTimeUtc():O} recovering {context.GetOriginalRecovering()}");
            await WorkerOutput.RunUntilLostAsync("endless", lease.Required);
        }
    }
}
