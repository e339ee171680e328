using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Simulation.Faults;
using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Time;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.Waiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace JobLocking.Simulation.Network;

/// <summary>One process with the real engine in it. It can be frozen, killed and stopped; its successor is another process.</summary>
internal sealed class Node : IDisposable
{
    private readonly World _world;
    private readonly ServiceProvider _services;
    private readonly MetricsReporter _metrics;
    private readonly List<Action> _overdue = [];
    private readonly CancellationTokenSource _stopping = new();

    public Node(World world, TraceNames names, Server server, FaultProfile faultProfile, string name)
    {
        _world = world;
        Name = name;
        double rate = 1 + ((world.Random.Number(-400, 401)) / 100_000.0);
        Clock = new NodeClock(world, rate, world.Random.Span(-30, 30), Do);
        Link = new Link(world, server, faultProfile, Do, () => !IsFrozen);

        ServiceCollection services = new();
        services.AddSingleton<TimeProvider>(Clock);
        services.AddSingleton<ILockStore>(new NodeStore(world, names, Link, name));
        services.AddJobLocking(o => (o.NodeName, o.ApplicationName) = (name, "simulation"));
        _services = services.BuildServiceProvider();
        Engine = _services.GetRequiredService<LockEngine>();
        Locks = _services.GetRequiredService<ITaskLocks>();
        Policies = _services.GetRequiredService<LockPolicies>();
        _metrics = _services.GetRequiredService<MetricsReporter>();
        _services.GetRequiredService<LocalWaiters>().Chance = world.Random.Number;
        world.History.Add(new Fact.Started(world.Now, name));
        Do(_services.GetRequiredService<StoreNotifications>().Begin);
    }

    public string Name { get; }

    public NodeClock Clock { get; }

    public Link Link { get; }

    public LockEngine Engine { get; }

    public ITaskLocks Locks { get; }

    public LockPolicies Policies { get; }

    public bool IsFrozen { get; private set; }

    public bool IsDead { get; private set; }

    public bool IsStopping => _stopping.IsCancellationRequested;

    public bool TakesWork => !IsDead && !IsFrozen && !IsStopping;

    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Lets the process do something: now, when it thaws, or never.</summary>
    public void Do(Action what)
    {
        if (IsFrozen)
        {
            _overdue.Add(what);
        }
        else if (!IsDead)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static what => what(), what, preferLocal: false);
        }
    }

    public void Freeze()
    {
        IsFrozen = true;
        _world.History.Add(new Fact.Frozen(_world.Now, Name));
    }

    /// <summary>Everything that was due meanwhile happens at once, in any order.</summary>
    public void Thaw()
    {
        if (!IsFrozen)
        {
            return;
        }

        IsFrozen = false;
        _world.History.Add(new Fact.Thawed(_world.Now, Name));
        while (_overdue.Count > 0)
        {
            int next = _world.Random.Chance(0.7) ? 0 : _world.Random.Number(0, _overdue.Count);
            Action what = _overdue[next];
            _overdue.RemoveAt(next);
            Do(what);
        }
    }

    public void Kill(TimeSpan unnoticed) => End(unnoticed, inOrder: false);

    /// <summary>
    /// The host stops: it notifies the jobs, waits for them, and then waits for the remaining work of the engine. Jobs that do not end die
    /// with the process, later.
    /// </summary>
    public void Stop(Func<bool> isIdle, TimeSpan patience, TimeSpan afterlife) => _ = StopAsync(isIdle, patience, afterlife);

    /// <summary>It is not measured any more; otherwise the meters of all runs would accumulate.</summary>
    public void Dispose()
    {
        _metrics.Dispose();
        _stopping.Dispose();
    }

    private async Task StopAsync(Func<bool> isIdle, TimeSpan patience, TimeSpan afterlife)
    {
        _world.History.Add(new Fact.Stopping(_world.Now, Name));
        await _stopping.CancelAsync();
        await UntilAsync(isIdle, patience);
        foreach (IHostedLifecycleService hosted in _services.GetServices<IHostedService>().OfType<IHostedLifecycleService>())
        {
            await hosted.StoppedAsync(CancellationToken.None);
        }

        if (_world.Random.Chance(0.5))
        {
            await _services.DisposeAsync();
        }

        await UntilAsync(isIdle, afterlife);
        End(TimeSpan.Zero, inOrder: isIdle());
    }

    private async Task UntilAsync(Func<bool> isIdle, TimeSpan patience)
    {
        TimeSpan step = TimeSpan.FromMilliseconds(50);
        for (TimeSpan waited = TimeSpan.Zero; waited < patience && !isIdle(); waited += step)
        {
            await Task.Delay(step, Clock);
        }
    }

    private void End(TimeSpan unnoticed, bool inOrder)
    {
        IsDead = true;
        IsFrozen = false;
        _overdue.Clear();
        Link.Die(unnoticed);
        _world.History.Add(new Fact.Gone(_world.Now, Name, inOrder));
        Ended?.Invoke(this);
    }

    public event Action<Node>? Ended;
}
