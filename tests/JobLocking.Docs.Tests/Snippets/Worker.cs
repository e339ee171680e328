using Hangfire;
using Hangfire.Redis.StackExchange;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Docs.Snippets;

public static class Worker
{
    public static IHost Build(string[] args)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder(args);

        #region readme-worker
        builder.Services.AddJobLocking().UseRedis("localhost:6379");

        builder.Services.AddHangfire((sp, hangfire) => hangfire.UseRedisStorage("localhost:6379").UseTaskLocks(sp));
        builder.Services.AddHangfireServer();
        builder.Services.AddHangfireTaskLocks();   // a lost lease cancels the token of its job

        builder.Services.AddQuartz(quartz =>
        {
            quartz.AddTaskLocks();
            quartz.ScheduleJob<NightlyReportJob>(
                trigger => trigger.WithIdentity("nightly-report").WithCronSchedule("0 0 2 * * ?"),
                job => job.WithIdentity("nightly-report"));
        });
        builder.Services.AddQuartzHostedService(hosted => hosted.WaitForJobsToComplete = true);

        builder.Services.AddHealthChecks().AddJobLocking();
        #endregion

        return builder.Build();
    }

    public static void LockThirdPartyJob(IServiceCollection services)
    {
        #region readme-code
        services.AddJobLocking(o => o.ForJob<ThirdPartyJob>(new TaskLockAttribute("third-party") { Expire = 300 }));
        #endregion
    }

    private sealed class ThirdPartyJob;
}
