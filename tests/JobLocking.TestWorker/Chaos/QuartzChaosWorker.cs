using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;
using StackExchange.Redis;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// A node with a scheduler on a RAM store of its own, which fires the same jobs as all others. Commands, one a line: <c>go</c> starts the
/// schedule; <c>rest</c> ends the schedule, waits until everything that came from it has ended, and reports what has not; the end of the
/// input ends the process.
/// </summary>
internal sealed class QuartzChaosWorker(IScheduler scheduler, QuartzReporter reporter)
{
    /// <summary>A deferral that is pending for longer is reported and judged.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    /// <summary>
    /// As long as the interval of the schedule, so that only a deferral is ever retried: if the retry of the schedule's own trigger were
    /// still under way at its next time, Quartz would take that time for another attempt at the one before.
    /// </summary>
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(2);

    public static async Task<int> RunAsync(string lockRedis, string resourceRedis, string process)
    {
        await using ConnectionMultiplexer resource = await ConnectionMultiplexer.ConnectAsync(resourceRedis);
        QuartzReporter reporter = new(process, new ExecutionReporter(process, new ProtectedCounters(resource.GetDatabase())));
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddSingleton(reporter);
        builder.Services.AddJobLocking(o => o.NodeName = process).UseRedis(lockRedis);
        builder.Services.AddQuartz(q => q.AddTaskLocks().AddJobListener(reporter).UseDefaultThreadPool(p => p.MaxConcurrency = 30));
        builder.Services.AddQuartzHostedService(o => o.WaitForJobsToComplete = true);
        using IHost host = builder.Build();
        await host.StartAsync();
        QuartzChaosWorker worker = new(await host.Services.GetRequiredService<ISchedulerFactory>().GetScheduler(), reporter);
        await WarmUpAsync(host.Services.GetRequiredService<ITaskLocks>(), process);
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is { } command)
        {
            switch (command)
            {
                case "go":
                    await worker.GoAsync();
                    break;
                case "rest":
                    await worker.RestAsync();
                    WorkerOutput.Report("rested");
                    break;
                default:
                    throw new ArgumentException($"Unknown: {command}");
            }
        }

        await host.StopAsync();
        return 0;
    }

    /// <summary>On a busy machine the first answer to a process can take longer than the engine waits for one, without a fault.</summary>
    private static async Task WarmUpAsync(ITaskLocks locks, string process)
    {
        try
        {
            await using TaskLease? lease = await locks.TryAcquireAsync($"warm-up of {process}");
            await using TaskLease? shared = await locks.TryAcquireAsync($"shared warm-up of {process}", new TaskLockOptions { Limit = 2 });
        }
        catch (TaskLockUnavailableException)
        {
            // It was started to replace another worker during an outage of Redis: the checker knows that.
        }
    }

    private async Task GoAsync()
    {
        foreach ((string name, Type type) in QuartzJobs.All)
        {
            // A late firing is better than none: nothing here may depend on how busy the machine is.
            ITrigger trigger = TriggerBuilder.Create().WithIdentity(name)
                .WithSchedule(CronScheduleBuilder.Create("0/2 * * * * ?"))
                .WithMisfireThreshold(TimeSpan.FromMinutes(2))
                .WithRetryPolicy(RetryPolicy.Fixed(3, RetryDelay))
                .Build();
            await scheduler.ScheduleJob(JobBuilder.Create().OfType(type).WithIdentity(name).Build(), trigger);
            reporter.Report(QuartzEventKind.Scheduled, name, scheduler.TimeProvider.GetUtcNow());
        }
    }

    /// <summary>
    /// The schedule is ended while nothing fires and nothing runs. Otherwise a retry that is about to be stored would be lost with it.
    /// </summary>
    private async Task RestAsync()
    {
        reporter.Report(QuartzEventKind.Stopping, "", scheduler.TimeProvider.GetUtcNow());
        long began = TimeProvider.System.GetTimestamp();
        while (await EndScheduleAsync() > 0 && TimeProvider.System.GetElapsedTime(began) < Patience)
        {
            await Task.Delay(50);
        }

        foreach (ITrigger trigger in await TriggersAsync())
        {
            DateTimeOffset scheduled = trigger.JobDataMap["JOBLOCKING_SCHEDULED_FIRE_TIME"] is string time
                ? DateTimeOffset.Parse(time, CultureInfo.InvariantCulture)
                : trigger.PreviousFireTimeUtc ?? default;
            reporter.Report(QuartzEventKind.Pending, trigger.JobKey.Name, scheduled, $"{trigger.Key} {trigger.NextFireTimeUtc:O}");
        }
    }

    /// <returns>How many triggers and firings are left.</returns>
    private async Task<int> EndScheduleAsync()
    {
        IReadOnlyCollection<ITrigger> triggers = await TriggersAsync();
        if (triggers.Any(t => t.Key.Group == TriggerKey.DefaultGroup))
        {
            await scheduler.Standby();
            while (await GoingAsync() > 0)
            {
                await Task.Delay(10);
            }

            foreach (ITrigger trigger in (await TriggersAsync()).Where(t => t.Key.Group == TriggerKey.DefaultGroup && t.RetryAttempt == 0))
            {
                await scheduler.UnscheduleJob(trigger.Key);
            }

            await scheduler.Start();
        }

        // A firing that ends between the two reads may have stored a trigger after the first one: nothing is left only if no firing has
        // begun meanwhile.
        long begun = reporter.Begun;
        int left = await GoingAsync() + (await TriggersAsync()).Count + await GoingAsync();
        return left + (reporter.Begun == begun ? 0 : 1);
    }

    /// <summary>How many firings have not ended, or are not recorded yet.</summary>
    private async Task<int> GoingAsync() => (await scheduler.QueryFireInstances(new FireInstanceQuery { Take = PagedQuery.All })).Items.Count + reporter.Going;

    private async Task<IReadOnlyCollection<ITrigger>> TriggersAsync()
    {
        PagedResult<TriggerHeader> all = await scheduler.QueryTriggers(new TriggerQuery { Take = PagedQuery.All });
        List<ITrigger> triggers = [];
        foreach (TriggerHeader header in all.Items)
        {
            if (await scheduler.GetTrigger(header.Key) is { } trigger)
            {
                triggers.Add(trigger);
            }
        }

        return triggers;
    }
}
