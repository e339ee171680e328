using System.Reflection;
using System.Runtime.CompilerServices;
using JobLocking.Stores;
using JobLocking.Stores.InMemory;
using JobLocking.TestKit;
using JobLocking.TestKit.Contract;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace JobLocking.Tests.Stores;

[StoreUnderTest(typeof(InMemoryLockStore))]
public sealed class InMemoryLockStoreContract : LockStoreContract
{
    private readonly FakeTimeProvider _time = new();
    private InMemoryLockStore? _store;

    protected override ILockStore CreateStore() => _store = _store?.OfAnotherProcess() ?? new InMemoryLockStore(_time);

    protected override Task PassAsync(TimeSpan time)
    {
        _time.Advance(time);
        return Task.CompletedTask;
    }
}

public sealed class InMemoryLockStoreTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly InMemoryLockStore _store;

    public InMemoryLockStoreTests() => _store = new InMemoryLockStore(_time);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_woken_process_may_acquire_at_once_even_on_another_thread()
    {
        AcquireRequest lease = LockRequests.Acquire("told");
        AcquireRequest waits = Waits("told");
        await _store.AcquireAsync(lease, Cancellation);
        await _store.AcquireAsync(waits, Cancellation);
        AcquireResult answer = default;
        bool answered = false;
        await using IAsyncDisposable listening = await _store.SubscribeAsync(
            _ =>
            {
                Thread asks = new(() => answer = _store.AcquireAsync(waits, Cancellation).AsTask().GetAwaiter().GetResult());
                asks.Start();
                answered = asks.Join(Eventually.DefaultTimeout);
            },
            Cancellation);

        await _store.ReleaseAsync(LockRequests.Release(lease), Cancellation);

        Assert.True(answered);
        Assert.Equal(AcquireOutcome.Granted, answer.Outcome);
    }

    [Fact]
    public async Task A_queue_is_full_for_newcomers_first_and_its_waiters_keep_their_positions()
    {
        await _store.AcquireAsync(LockRequests.Acquire("crowded", TimeSpan.FromHours(1)), Cancellation);
        List<AcquireRequest> queued = [.. Enumerable.Range(0, 100_000).Select(_ => Waits("crowded"))];
        List<long> since = [];
        foreach (AcquireRequest one in queued)
        {
            since.Add((await _store.AcquireAsync(one, Cancellation)).QueuedSince);
        }

        Assert.DoesNotContain(0, since);
        AcquireRequest late = Waits("crowded");
        Assert.Equal(0, await QueuedSinceAsync(late));
        Assert.Equal(since[7], await QueuedSinceAsync(queued[7] with { Waiter = queued[7].Waiter! with { Since = since[7] } }));

        // The next poll of its process lists it, up to a second limit.
        PollRequest poll = new("crowded", 1, late.Waiter!, late.Holder);
        Assert.NotEqual(0, (await _store.PollAsync(poll, Cancellation)).QueuedSince);
        Assert.Equal(0, await QueuedSinceAsync(Waits("crowded")));
        for (int i = 0; i < 9_999; i++)
        {
            await _store.PollAsync(poll with { Waiter = Waits("crowded").Waiter! }, Cancellation);
        }

        Assert.Equal(0, (await _store.PollAsync(poll with { Waiter = Waits("crowded").Waiter! }, Cancellation)).QueuedSince);

        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.NotEqual(0, await QueuedSinceAsync(Waits("crowded")));

        async Task<long> QueuedSinceAsync(AcquireRequest request) => (await _store.AcquireAsync(request, Cancellation)).QueuedSince;
    }

    [Fact]
    public async Task Ended_leases_are_forgotten_without_another_call()
    {
        WeakReference[] holders = await LeaveBehindAsync();
        Assert.All(holders, holder => Assert.True(holder.IsAlive));

        _time.Advance(TimeSpan.FromMinutes(10));
        await _store.AcquireAsync(LockRequests.Acquire("another"), Cancellation);

        await Eventually.IsTrueAsync(() =>
        {
            GC.Collect();
            return !holders.Any(holder => holder.IsAlive);
        });

        [MethodImpl(MethodImplOptions.NoInlining)]
        async Task<WeakReference[]> LeaveBehindAsync()
        {
            LockOccurrence occurrence = new("reports", default, IsRetry: false);
            AcquireRequest dead = LockRequests.Acquire("dead");
            AcquireRequest kept = LockRequests.Acquire("kept");
            AcquireRequest done = LockRequests.Acquire("done", occurrence: occurrence);
            AcquireRequest waits = Waits("dead");
            OccurrenceEnd end = new(occurrence, done.Holder, OccurrenceOutcome.Succeeded, TimeSpan.FromMinutes(1));
            foreach (AcquireRequest request in new[] { dead, kept, done, waits })
            {
                await _store.AcquireAsync(request, Cancellation);
            }

            await _store.ReleaseAsync(LockRequests.Release(kept, keepFor: TimeSpan.FromMinutes(1)), Cancellation);
            await _store.ReleaseAsync(LockRequests.Release(done, end: end), Cancellation);
            return [.. new[] { dead, kept, done, waits }.Select(request => new WeakReference(request.Holder))];
        }
    }

    private static AcquireRequest Waits(string name) =>
        LockRequests.Acquire(name) with { Waiter = new WaiterEntry(LockRequests.LeaseId(), TimeSpan.FromMinutes(1)) };
}

public sealed class ContractCoverageTests
{
    [Fact]
    public void Every_store_of_the_package_has_a_contract_suite() =>
        ContractCoverage.EveryStoreHasItsSuite(typeof(InMemoryLockStore).Assembly, Assembly.GetExecutingAssembly());
}
