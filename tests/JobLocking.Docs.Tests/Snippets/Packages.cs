using Hangfire;
using Hangfire.Redis.StackExchange;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Quartz;

namespace JobLocking.Docs.Snippets;

/// <summary>The code in the readme of each package.</summary>
public static class Packages
{
    public static void Core(HostApplicationBuilder builder)
    {
        #region package-core
        builder.Services.AddJobLocking().UseInMemory();   // one process; for a cluster UseRedis, of JobLocking.Redis
        #endregion
    }

    public static async Task CoreByHand(ITaskLocks locks, ISearchIndex index, CancellationToken cancellationToken)
    {
        #region package-core-by-hand
        TaskLockOptions options = new() { Expire = TimeSpan.FromMinutes(2), Wait = TimeSpan.FromSeconds(10) };
        await using TaskLease? lease = await locks.TryAcquireAsync("reindex", options, cancellationToken);
        if (lease is not null)
        {
            await index.RebuildAsync(lease.Lost);   // cancelled if the lease is lost
        }
        #endregion
    }

    public static void Redis(HostApplicationBuilder builder)
    {
        #region package-redis
        builder.Services.AddJobLocking().UseRedis("localhost:6379");
        builder.Services.AddHealthChecks().AddJobLocking();
        #endregion
    }

    public static void Hangfire(HostApplicationBuilder builder)
    {
        #region package-hangfire
        builder.Services.AddJobLocking().UseRedis("localhost:6379");
        builder.Services.AddHangfire((sp, hangfire) => hangfire.UseRedisStorage("localhost:6379").UseTaskLocks(sp));
        builder.Services.AddHangfireServer();
        builder.Services.AddHangfireTaskLocks();
        #endregion
    }

    public static void Quartz(HostApplicationBuilder builder)
    {
        #region package-quartz
        builder.Services.AddJobLocking().UseRedis("localhost:6379");
        builder.Services.AddQuartz(quartz =>
        {
            quartz.AddTaskLocks();
            quartz.ScheduleJob<ReportJob>(
                trigger => trigger.WithIdentity("report").WithCronSchedule("0 0 2 * * ?"),
                job => job.WithIdentity("report"));
        });
        builder.Services.AddQuartzHostedService(hosted => hosted.WaitForJobsToComplete = true);
        #endregion
    }

    public static void OpenTelemetry(HostApplicationBuilder builder)
    {
        #region package-opentelemetry
        builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics.AddJobLockingInstrumentation())
            .WithTracing(traces => traces.AddJobLockingInstrumentation());
        #endregion
    }
}

#region package-hangfire-job
public sealed class Mailing(IMailer mailer)
{
    [TaskLock("mailing:{customerId}", OnConflict = LockConflict.Defer)]
    public Task Send(int customerId, CancellationToken cancellationToken) => mailer.SendInvoiceAsync(customerId, cancellationToken);
}
#endregion

#region package-quartz-job
[TaskLock("report", Expire = 60)]
public sealed class ReportJob(ITaskLeaseAccessor leases, IReports reports) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        Report report = await reports.ComputeAsync(cancellationToken);
        await reports.PublishAsync(report, leases.Required.FencingToken);   // lets the database reject a stale holder
    }
}
#endregion
