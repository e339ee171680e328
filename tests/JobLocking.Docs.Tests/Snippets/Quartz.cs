using JobLocking.Quartz;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Docs.Snippets;

public static class QuartzWorker
{
    public static void Pods(HostApplicationBuilder builder)
    {
        #region quartz-pods
        builder.Services.AddJobLocking().UseRedis("redis:6379");
        builder.Services.AddQuartz(quartz =>
        {
            quartz.AddTaskLocks();
            quartz.ScheduleJob<NightlyReportJob>(
                trigger => trigger.WithIdentity("nightly-report").WithCronSchedule(
                    "0 0 2 * * ?", cron => cron.InTimeZone(TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin"))),
                job => job.WithIdentity("nightly-report"));
        });
        builder.Services.AddQuartzHostedService(hosted => hosted.WaitForJobsToComplete = true);
        #endregion
    }

    public static void ByKey(IQuartzBuilder quartz)
    {
        #region quartz-by-key
        quartz.AddTaskLocks(locks => locks.ForJob(new JobKey("nightly-import"), new TaskLockAttribute("import:{region}") { Expire = 300 }));
        #endregion
    }

    public static void RecordAsVeto(IQuartzBuilder quartz)
    {
        #region quartz-veto
        quartz.AddTaskLocks(locks =>
        {
            locks.SkipAs = FiringRecord.Veto;
            locks.DeferAs = FiringRecord.Veto;
        });
        #endregion
    }

    public static (DateTimeOffset, TriggerKey, DateTimeOffset?) Original(IJobExecutionContext context)
    {
        #region quartz-original
        DateTimeOffset day = context.GetOriginalFireTimeUtc();
        TriggerKey trigger = context.GetOriginalTrigger();
        DateTimeOffset? since = context.GetOriginalPreviousFireTimeUtc();
        #endregion
        return (day, trigger, since);
    }
}

#region quartz-each-node
[TaskLock("clean-temp", OncePerOccurrence = OncePerOccurrence.Never, OnConflict = LockConflict.Defer)]
public sealed class CleanTempJob(IDisk disk) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) => await disk.CleanAsync(cancellationToken);
}
#endregion

public interface IDisk
{
    Task CleanAsync(CancellationToken cancellationToken);
}
