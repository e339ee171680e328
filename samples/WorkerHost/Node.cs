using Hangfire;
using Hangfire.AspNetCore;
using Quartz;
using WorkerHost.Jobs;

namespace WorkerHost;

/// <summary>Builds one node of the cluster, with services of its own. In production, a node is a worker process.</summary>
internal static class Node
{
    public static IHost Build(string name, TimeSpan clockSkew, string redis, JobStorage storage, Journal journal)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddJobLocking(locking =>
        {
            locking.NodeName = name;
            locking.OccurrenceRetention = 300;
        }).UseRedis(redis);

        // A process has one set of Hangfire filters and one activator, but here several nodes share the process. So each server
        // gets its own. A real worker process calls AddHangfire((services, hangfire) => hangfire.UseTaskLocks(services)) instead.
        builder.Services.AddHangfire(hangfire => hangfire.UseStorage(storage));
        builder.Services.AddHangfireServer((services, server) =>
        {
            server.ServerName = name;
            server.WorkerCount = 4;
            server.SchedulePollingInterval = TimeSpan.FromSeconds(1);
            server.Activator = new AspNetCoreJobActivator(services.GetRequiredService<IServiceScopeFactory>());
            server.UseTaskLocks(services);
        });
        builder.Services.AddHangfireTaskLocks();

        builder.Services.AddQuartz(quartz =>
        {
            quartz.AddTaskLocks();
            quartz.UseTimeProvider(new SkewedClock(clockSkew));
            Schedule<NightlyReport>(quartz, "nightly-report", "0/2 * * * * ?");
            Schedule<Tick>(quartz, "tick", "* * * * * ?");
            Schedule<LedgerExport>(quartz, "ledger-export", "0/5 * * * * ?");
        });
        builder.Services.AddQuartzHostedService(hosted => hosted.WaitForJobsToComplete = true);

        AddJournal(builder, journal.ForNode(name));
        return builder.Build();
    }

    // Quartz would generate a different name on each node. With this name it is the same job on all nodes.
    private static void Schedule<TJob>(IQuartzBuilder quartz, string name, string cron)
        where TJob : class, IJob =>
        quartz.ScheduleJob<TJob>(trigger => trigger.WithIdentity(name).WithCronSchedule(cron), job => job.WithIdentity(name));

    private static void AddJournal(HostApplicationBuilder builder, Journal journal)
    {
        DecisionLog decisions = new(journal);
        builder.Services.AddSingleton(journal).AddSingleton(decisions);
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter<DecisionLog>("JobLocking", LogLevel.Information).AddProvider(decisions);
        builder.Logging.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
    }
}
