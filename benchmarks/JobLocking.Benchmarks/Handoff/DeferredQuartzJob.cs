using Microsoft.Extensions.DependencyInjection;
using Quartz;

namespace JobLocking.Benchmarks.Handoff;

internal sealed class DeferredQuartzJob : DeferredJob
{
    private const string LockName = "deferred:quartz";

    private static readonly JobKey Key = new("handoff");

    private DeferredQuartzJob(Node holder, Node worker, Bodies bodies, BenchmarkRedis redis)
        : base(LockName, holder, worker, bodies, redis)
    {
    }

    public override string Case => "deferred Quartz job, store in memory";

    public static async Task<DeferredQuartzJob> StartAsync(BenchmarkRedis redis)
    {
        Bodies bodies = new();
        string prefix = $"{redis.Prefix}quartz:";
        Node holder = await Node.StartAsync(redis, "holder", prefix);
        Node worker = await Node.StartAsync(redis, "worker", prefix, services =>
        {
            services.AddSingleton(bodies);
            services.AddQuartz(quartz => quartz.AddTaskLocks());
            services.AddQuartzHostedService();
        });
        return new DeferredQuartzJob(holder, worker, bodies, redis);
    }

    protected override async Task StartAsync()
    {
        IScheduler scheduler = await SchedulerAsync();
        await scheduler.ScheduleJob(JobBuilder.Create<Job>().WithIdentity(Key).Build(), TriggerBuilder.Create().WithIdentity(Key.Name).StartNow().Build());
    }

    protected override async Task<bool> IsDeferredAsync()
    {
        TriggerQuery deferrals = new() { Group = GroupMatcher<TriggerKey>.GroupEquals("joblocking") };
        return (await (await SchedulerAsync()).QueryTriggers(deferrals)).Items.Count == 1;
    }

    /// <summary>Quartz deletes a job that has no trigger left.</summary>
    protected override async Task<bool> HasEndedAsync() => !await (await SchedulerAsync()).Exists(Key);

    private ValueTask<IScheduler> SchedulerAsync() => Worker.Services.GetRequiredService<ISchedulerFactory>().GetScheduler();

    internal sealed class Job(Bodies bodies) : IJob
    {
        [TaskLock(LockName, OnConflict = LockConflict.Defer)]
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => new(bodies.RunAsync());
    }
}
