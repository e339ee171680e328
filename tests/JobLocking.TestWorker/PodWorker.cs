using System.Globalization;
using JobLocking.Docs.Snippets;
using JobLocking.Redis;
using JobLocking.TestWorker.Chaos;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.TestWorker;

/// <summary>
/// A pod with the job of docs/lease.md, a worker as in docs/start-both.md, and a job of which three may run at once. Its clock stands a
/// little before 02:00 until it is told <c>go</c>.
/// </summary>
internal static class PodWorker
{
    public static async Task<int> RunAsync(string redis, string milliseconds, string ahead)
    {
        DateTimeOffset night = new(new DateTime(2026, 11, 30, 1, 59, 58, DateTimeKind.Local));
        StandingClock clock = new(night.AddMilliseconds(Number(ahead)));
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddSingleton<TimeProvider>(clock).AddSingleton<IReports>(new Reports(Number(milliseconds)));

        // As in docs/start-both.md, without Hangfire.
        builder.Services.AddJobLocking().UseRedis("localhost:6379");

        builder.Services.AddQuartz(quartz =>
        {
            quartz.AddTaskLocks();
            quartz.ScheduleJob<NightlyReportJob>(
                trigger => trigger.WithIdentity("nightly-report").WithCronSchedule("0 0 2 * * ?"),
                job => job.WithIdentity("nightly-report"));
        });
        builder.Services.AddQuartzHostedService(hosted => hosted.WaitForJobsToComplete = true);

        builder.Services.AddHealthChecks().AddJobLocking();

        // What the documents do not have.
        builder.Services.Configure<RedisLockOptions>(o => o.Configuration = redis);
        builder.Services.AddQuartz(q => q.UseTimeProvider(clock).AddJobListener(new EndReporter()).ScheduleJob<ThreeAtOnceJob>(
            trigger => trigger.WithIdentity("three-at-once").WithCronSchedule("0 0 2 * * ?"), job => job.WithIdentity("three-at-once")));
        using IHost host = builder.Build();
        await host.StartAsync();
        WorkerOutput.Report("ready");
        await WorkerInput.NextCommandAsync();
        clock.Start();
        while (await WorkerInput.NextCommandAsync() is not null)
        {
        }

        await host.StopAsync();
        return 0;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    [TaskLock("three-at-once", Limit = 3)]
    internal sealed class ThreeAtOnceJob : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
        {
            WorkerOutput.Report("ran three-at-once");
            return default;
        }
    }

    private sealed class Reports(int milliseconds) : IReports
    {
        public async Task<Report> ComputeAsync(CancellationToken cancellationToken)
        {
            WorkerOutput.Report("ran nightly-report");
            await Task.Delay(milliseconds, cancellationToken);
            return new Report();
        }

        public Task PublishAsync(Report report, long fencingToken) => Task.CompletedTask;
    }

    /// <summary>Reports how each firing ends. A deferral is no end.</summary>
    private sealed class EndReporter : IJobListener
    {
        public string Name => "ends";

        public ValueTask JobWasExecuted(
            IJobExecutionContext context, JobExecutionException? jobException, CancellationToken cancellationToken = default)
        {
            WorkerOutput.Report($"{QuartzReporter.EndOf(context)} {context.JobDetail.Key.Name}");
            return default;
        }
    }
}
