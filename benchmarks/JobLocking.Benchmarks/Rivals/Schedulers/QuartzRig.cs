using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Quartz;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>A host whose Quartz scheduler, with its store in memory, runs one firing after the other.</summary>
internal sealed class QuartzRig : IAsyncDisposable
{
    private readonly Node _node;

    private readonly Timelines _timelines;

    private readonly IScheduler _scheduler;

    private QuartzRig(Node node, Timelines timelines, IScheduler scheduler)
    {
        _node = node;
        _timelines = timelines;
        _scheduler = scheduler;
    }

    public static async Task<QuartzRig> StartAsync(BenchmarkRedis redis, string name, Action<IQuartzBuilder>? configure = null)
    {
        Timelines timelines = new();
        Node node = await Node.StartAsync(redis, name, $"{redis.Prefix}quartz-{name}:", services =>
        {
            services.AddSingleton(timelines);
            services.AddQuartz(quartz =>
            {
                quartz.UseDefaultThreadPool(1);
                configure?.Invoke(quartz);
            });
        });
        return new QuartzRig(node, timelines, await node.Services.GetRequiredService<ISchedulerFactory>().GetScheduler());
    }

    public static string LockName(int job) => UncontendedQuartzJob.LockName.Replace($"{{{UncontendedQuartzJob.Number}}}", $"{job}", StringComparison.Ordinal);

    /// <summary>
    /// Adds jobs, each with a trigger that is due, while the scheduler is in standby; then starts it, so that it runs them in order.
    /// </summary>
    public async Task<Timeline> RunAsync(int jobs, Func<int, Type> typeOf, CancellationToken stop)
    {
        Timeline timeline = _timelines.Next(jobs);
        Dictionary<IJobDetail, IReadOnlyCollection<ITrigger>> due = Enumerable.Range(0, jobs).ToDictionary(
            job => JobBuilder.Create().OfType(typeOf(job)).WithIdentity($"{job}").UsingJobData(UncontendedQuartzJob.Number, job).Build(),
            job => (IReadOnlyCollection<ITrigger>)[TriggerBuilder.Create().WithIdentity($"{job}").StartNow().Build()]);
        await _scheduler.ScheduleJobs(due, new ScheduleJobOptions { Replace = true }, stop);

        // Thousands of new jobs would make each collection during the firings a long one, in the middle of one kind or the other.
        GC.Collect();
        await _scheduler.Start(stop);
        await timeline.AllEnded.WaitAsync(stop);
        await _scheduler.Standby(stop);
        return timeline;
    }

    /// <summary>The median time to acquire and release each job's lock by hand, with nothing in between.</summary>
    public async Task<TimeSpan> MedianPairAsync(int jobs, CancellationToken stop)
    {
        List<TimeSpan> pairs = [];
        for (int job = 0; job < jobs; job++)
        {
            string name = LockName(job);
            long began = Stopwatch.GetTimestamp();
            TaskLease lease = await _node.Locks.TryAcquireAsync(name, cancellationToken: stop) ?? throw new InvalidOperationException("The lock is taken.");
            await lease.DisposeAsync();
            pairs.Add(Stopwatch.GetElapsedTime(began));
        }

        return TimeSpan.FromMilliseconds(new Figure(pairs.Select(pair => pair.TotalMilliseconds)).Median);
    }

    public async ValueTask DisposeAsync()
    {
        await _scheduler.Shutdown();
        await _node.DisposeAsync();
    }
}
