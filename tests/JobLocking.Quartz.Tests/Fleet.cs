using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>Two nodes of one application with the same jobs and triggers, on either kind of store.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    /// <summary>The lock of <see cref="Work.Name"/>.</summary>
    public const string LockName = "report";

    public static readonly TriggerKey Trigger = new($"{Work.Name}-trigger");

    private const int Size = 2;

    private readonly Cluster _cluster;
    private readonly TriggerStores _stores;
    private readonly List<Node> _nodes = [];

    private Fleet(Cluster cluster, TriggerStores stores) => (_cluster, _stores) = (cluster, stores);

    public Journal Journal => _cluster.Journal;

    /// <summary>One node for each store: what is scheduled there is known to all nodes.</summary>
    public IReadOnlyList<Node> Stores => _stores == TriggerStores.Unshared ? _nodes : _nodes[..1];

    public Node First => _nodes[0];

    /// <summary>The ended firings of all nodes.</summary>
    public IEnumerable<Firings.Ended> Ended => _nodes.SelectMany(node => node.Firings.All);

    /// <summary>The times of the schedule for which the job has run.</summary>
    public IEnumerable<DateTimeOffset> Occurrences => Journal.Runs.Select(run => run.Context.GetOriginalFireTimeUtc()).Order();

    /// <summary>Called at the end of each firing, before Quartz stores what follows from it.</summary>
    public Func<Firings.Ended, Task> AtEnd
    {
        set => _nodes.ForEach(node => node.Firings.AtEnd = value);
    }

    public static async Task<Fleet> StartAsync(
        SharedRedis redis, SharedStore database, TriggerStores stores, int deferBy = 30, Action<NodeOptions>? configure = null)
    {
        string scheduler = $"fleet-{Guid.NewGuid():N}";
        Fleet fleet = new(new Cluster(redis), stores);
        try
        {
            for (int i = 1; i <= Size; i++)
            {
                fleet._nodes.Add(await fleet._cluster.StartAsync($"node-{i}", n =>
                {
                    n.Lock(Work.Name, new TaskLockAttribute(LockName) { DeferBy = deferBy });
                    n.Lock(Work.Other, new TaskLockAttribute(LockName) { DeferBy = deferBy });
                    configure?.Invoke(n);
                    if (stores == TriggerStores.Clustered)
                    {
                        // By default a misfire is found within a minute.
                        n.Quartz += q =>
                            q.ConfigureOptions<AdoJobStoreOptions>(o => o.MisfireHandlerFrequency = TimeSpan.FromMilliseconds(200));
                        n.Scheduler = scheduler;
                        database.Use(n);
                    }
                }));
            }

            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>An occurrence whose time has just come; the next is in an hour.</summary>
    public static DateTimeOffset Now()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond));
    }

    public static CronScheduleBuilder HourlyAt(DateTimeOffset time) =>
        CronScheduleBuilder.Create($"{time.Second} {time.Minute} * * * ?").InTimeZone(TimeZoneInfo.Utc);

    /// <summary>Does it once for each store.</summary>
    public async Task OnEachStoreAsync(Func<Node, int, Task> act)
    {
        for (int i = 0; i < Stores.Count; i++)
        {
            await act(Stores[i], i);
        }
    }

    public Task OnEachStoreAsync(Func<IScheduler, ValueTask> act) => OnEachStoreAsync((node, _) => act(node.Scheduler).AsTask());

    /// <summary>
    /// Fires an occurrence of an hourly cron trigger now, and waits until the firing has ended on each store. Another node fires it later.
    /// </summary>
    /// <returns>The time of the occurrence.</returns>
    public Task<DateTimeOffset> FireAsync(Action<TriggerBuilder<IJob>>? trigger = null) => FireAsync<WorkJob>(trigger);

    /// <summary>As above, for a type of job.</summary>
    public async Task<DateTimeOffset> FireAsync<TJob>(Action<TriggerBuilder<IJob>>? trigger = null)
        where TJob : IJob
    {
        DateTimeOffset time = await ScheduleAsync<TJob>(trigger, inTurn: _ => 1);
        await FiredAsync(1);
        return time;
    }

    /// <summary>Fires an occurrence, as above, while the lock is taken, so that it is deferred.</summary>
    /// <returns>The lease that keeps it waiting, and the time of the occurrence.</returns>
    public async Task<(TaskLease Held, DateTimeOffset Time)> DeferAsync<TJob>(Action<TriggerBuilder<IJob>>? trigger = null)
        where TJob : IJob
    {
        TaskLease held = await First.HoldAsync(LockName);
        DateTimeOffset time = await FireAsync<TJob>(trigger);
        Assert.Equal(Stores.Count, (await PendingAsync()).Count);
        return (held, time);
    }

    /// <summary>Schedules an hourly cron trigger that fires now.</summary>
    public async Task<DateTimeOffset> ScheduleAsync<TJob>(
        Action<TriggerBuilder<IJob>>? trigger = null, Func<Node, Task>? beforeStart = null, Func<int, int>? inTurn = null)
        where TJob : IJob
    {
        DateTimeOffset time = Now();
        await ScheduleAsync<TJob>(
            time,
            (t, _) =>
            {
                t.StartAt(time).WithSchedule(HourlyAt(time));
                trigger?.Invoke(t);
            },
            beforeStart,
            inTurn);
        return time;
    }

    /// <summary>
    /// Schedules a cron trigger whose first times have passed, as if the schedulers had slept since. Quartz would leave them out.
    /// </summary>
    /// <param name="since">The first of these times.</param>
    /// <param name="trigger">Builds the trigger of each store.</param>
    /// <param name="beforeStart">Called for each store before its schedulers wake up.</param>
    /// <param name="inTurn">The number of firings of a node with a store of its own that end before the next node wakes up.</param>
    public async Task ScheduleAsync<TJob>(
        DateTimeOffset since,
        Action<TriggerBuilder<IJob>, int> trigger,
        Func<Node, Task>? beforeStart = null,
        Func<int, int>? inTurn = null)
        where TJob : IJob
    {
        foreach (Node node in _nodes)
        {
            await node.Scheduler.Standby(Token);
        }

        // A trigger reads the time at which it is scheduled from a clock of its own.
        TimeProvider schedulers = First.Scheduler.TimeProvider;
        MovedClock clock = new(schedulers) { By = since.AddSeconds(-1) - schedulers.GetUtcNow() };
        await OnEachStoreAsync(async (node, i) =>
        {
            TriggerBuilder<IJob> builder = TriggerBuilder.Create<IJob>(clock).WithIdentity(Trigger);
            trigger(builder, i);
            await node.Scheduler.ScheduleJob(
                JobBuilder.Create<TJob>().WithIdentity(Work.Name).Build(), builder.Build(), cancellationToken: Token);
            await (beforeStart?.Invoke(node) ?? Task.CompletedTask);
        });
        clock.By = TimeSpan.Zero;
        for (int i = 0; i < Size; i++)
        {
            await _nodes[i].Scheduler.Start(Token);
            if (_stores == TriggerStores.Unshared && inTurn is not null)
            {
                await Eventually.IsTrueAsync(() => OfSchedule(_nodes[i].Firings.All) >= inTurn(i));
            }
        }
    }

    /// <summary>Waits until the triggers of the schedule have fired so often on each store, and these firings have ended.</summary>
    public Task FiredAsync(int times) => FiredAsync(_ => times);

    /// <summary>As above, with a number for each store.</summary>
    public Task FiredAsync(Func<int, int> times) => Eventually.SeesAsync(
        () => string.Join(Environment.NewLine, Ended),
        _ => _stores == TriggerStores.Unshared
            ? _nodes.Select((node, i) => OfSchedule(node.Firings.All) >= times(i)).All(enough => enough)
            : OfSchedule(Ended) >= times(0));

    /// <summary>Waits until no job runs and no deferral is left.</summary>
    public Task IdleAsync() => Eventually.IsTrueAsync(async () =>
    {
        foreach (Node store in Stores)
        {
            if ((await store.Scheduler.QueryTriggers(Node.Deferrals)).Items.Count > 0)
            {
                return false;
            }
        }

        return Journal.Running == 0;
    });

    /// <summary>The deferrals that are pending on all stores.</summary>
    public async Task<IReadOnlyList<ITrigger>> PendingAsync()
    {
        List<ITrigger> pending = [];
        await OnEachStoreAsync(async (node, _) => pending.AddRange(await node.PendingDeferralsAsync()));
        return pending;
    }

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    private static int OfSchedule(IEnumerable<Firings.Ended> ended) => ended.Count(e => !e.IsReturned && e.Job.Name == Work.Name);

    /// <summary>A clock that is ahead of another, or behind it.</summary>
    internal sealed class MovedClock(TimeProvider clock) : TimeProvider
    {
        public TimeSpan By { get; set; }

        public override DateTimeOffset GetUtcNow() => clock.GetUtcNow() + By;
    }
}
