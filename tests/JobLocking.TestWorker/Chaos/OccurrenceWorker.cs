using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// A node with a clock and a RAM store of its own, which fires each job of <see cref="OccurrenceJobs"/> once a second. Commands, one a
/// line: <c>each</c> with a name of those jobs, a first and a last time schedules one of which no occurrence may be skipped;
/// <c>hold</c> lets no run end; the end of the input ends the process.
/// </summary>
internal static class OccurrenceWorker
{
    private const string EachSecond = "* * * * * ?";

    public static async Task<int> RunAsync(string redis, string process, string ahead)
    {
        TimeSpan shift = TimeSpan.FromMilliseconds(long.Parse(ahead, CultureInfo.InvariantCulture));
        ShiftedClock clock = new(shift);
        OccurrenceReporter reporter = new(process);
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddSingleton<TimeProvider>(clock).AddSingleton(reporter);
        builder.Services.AddJobLocking(o => o.NodeName = process).UseRedis(redis);
        builder.Services.AddQuartz(q =>
        {
            q.AddTaskLocks().AddJobListener(reporter).UseTimeProvider(clock);
            if (shift != TimeSpan.Zero)
            {
                // Quartz moves a misfired trigger to the time of the machine, and would take it for misfired again, without an end.
                q.UseInMemoryStore(o => o.MisfireThreshold = TimeSpan.FromMinutes(30));
            }

            q.ScheduleJob<OccurrenceJobs.BriefJob>(t => t.WithCronSchedule(EachSecond));
            q.ScheduleJob<OccurrenceJobs.ShortJob>(t => t.WithCronSchedule(EachSecond));
            q.ScheduleJob<OccurrenceJobs.LongerJob>(t => t.WithCronSchedule(EachSecond));
            q.ScheduleJob<OccurrenceJobs.EveryProcessJob>(t => t.WithCronSchedule(EachSecond));
        });
        builder.Services.AddQuartzHostedService();
        using IHost host = builder.Build();
        await host.StartAsync();
        IScheduler scheduler = await host.Services.GetRequiredService<ISchedulerFactory>().GetScheduler();
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is { } command)
        {
            if (command.Split(' ') is not ["each", var job, var first, var last])
            {
                reporter.Hold();
            }
            else if (Time(last) > clock.GetUtcNow().AddSeconds(5))
            {
                // Not those that have passed by now: none was fired by a cron trigger of a process that joins late.
                DateTimeOffset now = clock.GetUtcNow();
                await EachAsync(scheduler, job, Time(first) > now ? Time(first) : now, Time(last));
            }
        }

        await host.StopAsync();
        return 0;
    }

    private static async Task EachAsync(IScheduler scheduler, string job, DateTimeOffset first, DateTimeOffset last)
    {
        Type type = job == OccurrenceJobs.EachBrief ? typeof(OccurrenceJobs.EachBriefJob) : typeof(OccurrenceJobs.EachLongerJob);
        await scheduler.ScheduleJob(
            JobBuilder.Create().OfType(type).WithIdentity(job).Build(),
            TriggerBuilder.Create(scheduler.TimeProvider).WithIdentity(job).WithCronSchedule(EachSecond).StartAt(first).EndAt(last.AddMilliseconds(500)).Build());
    }

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
