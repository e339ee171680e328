using System.Diagnostics.Metrics;
using System.Globalization;
using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Stores.InMemory;
using JobLocking.Waiting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;
using Xunit;

namespace JobLocking.Tests.Engine;

/// <summary>One node with a fake clock of its own, on a store that other nodes may share.</summary>
internal sealed class EngineUnderTest : IDisposable
{
    private readonly ServiceProvider _services;

    public EngineUnderTest(EngineUnderTest? sharing = null, string node = "node-1", string application = "app", bool listens = true)
    {
        Time = sharing?.Time ?? new TestClock();
        Memory = sharing?.Memory.OfAnotherProcess() ?? new InMemoryLockStore(Time);
        Store = new UnreliableStore(Memory);

        ServiceCollection services = new();
        services.AddFakeLogging(o => o.OutputSink = line => OnLogged?.Invoke(line));
        services.AddMetrics();
        services.AddSingleton<TimeProvider>(Time);
        services.AddSingleton<ILockStore>(Store);
        services.AddJobLocking(o => (o.NodeName, o.ApplicationName) = (node, application));
        _services = services.BuildServiceProvider();
        Engine = _services.GetRequiredService<LockEngine>();
        Locks = _services.GetRequiredService<ITaskLocks>();
        Leases = _services.GetRequiredService<Leases>();
        Renewal = _services.GetRequiredService<RenewalLoop>();
        Accessor = _services.GetRequiredService<ITaskLeaseAccessor>();
        Queue = _services.GetRequiredService<LocalWaiters>();
        Policies = _services.GetRequiredService<LockPolicies>();
        if (listens)
        {
            _services.GetRequiredService<StoreNotifications>().Begin();
            SpinWait.SpinUntil(() => Store.IsListening);
        }
    }

    public TestClock Time { get; }

    public InMemoryLockStore Memory { get; }

    public UnreliableStore Store { get; }

    public LockEngine Engine { get; }

    public ITaskLocks Locks { get; }

    public Leases Leases { get; }

    public RenewalLoop Renewal { get; }

    public LocalWaiters Queue { get; }

    public ITaskLeaseAccessor Accessor { get; }

    public LockPolicies Policies { get; }

    public BackgroundWork Background => _services.GetRequiredService<BackgroundWork>();

    public IMeterFactory Meters => _services.GetRequiredService<IMeterFactory>();

    /// <summary>Called with each log record, on the thread that logs it.</summary>
    public Action<string>? OnLogged { get; set; }

    public IReadOnlyList<FakeLogRecord> LogRecords => _services.GetFakeLogCollector().GetSnapshot();

    public IEnumerable<int> LoggedIds => _services.GetFakeLogCollector().GetSnapshot().Select(r => r.Id.Id);

    public string Logged => string.Join(Environment.NewLine, _services.GetFakeLogCollector().GetSnapshot().Select(r => r.Message));

    public LockExecution Execution(
        TaskLockAttribute taskLock, ExecutionOrigin origin = ExecutionOrigin.OneOff, string job = "Job.Run",
        LockOccurrence? occurrence = null, DeferralState? deferral = null) => new()
        {
            Policy = Policies.Resolve(taskLock, job),
            Name = taskLock.Name,
            Scheduler = "Test",
            Job = job,
            Identity = job,
            Execution = Random.Shared.Next(1_000_000).ToString(CultureInfo.InvariantCulture),
            Origin = origin,
            Deferral = deferral,
            Occurrence = occurrence,
        };

    /// <summary>The state of an execution that was deferred this many times and never woken.</summary>
    public static DeferralState Deferred(int deferrals, DateTimeOffset firstDeferredAt = default) =>
        new(deferrals, deferrals, firstDeferredAt, "0:waiter", standsBy: false, askedAt: null);

    /// <summary>The answer of an adapter whose deferral is gone.</summary>
    public static ValueTask<bool> NeverWoken() => new(false);

    public async Task<T> DecideAsync<T>(LockExecution execution)
        where T : LockDecision =>
        Assert.IsType<T>(await Engine.DecideAsync(execution, CancellationToken.None));

    /// <summary>From now on all notifications to it are lost.</summary>
    public Task GoesDeafAsync() => _services.GetRequiredService<StoreNotifications>().EndAsync();

    public async Task<IReadOnlyList<HeldLock>> ListAsync()
    {
        List<HeldLock> all = [];
        await foreach (HeldLock held in Locks.ListAsync(null, CancellationToken.None))
        {
            all.Add(held);
        }

        return all;
    }

    public void Dispose() => _services.Dispose();
}
