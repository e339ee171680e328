using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Xunit;

namespace JobLocking.Tests.Waiting;

/// <summary>
/// Locks that become free by time, without a message from a process: the waiters notice it when the time has passed, not only at the next
/// safety poll, and the oldest of all goes first.
/// </summary>
public sealed class FreedByTimeTests : IDisposable
{
    /// <summary>A poll comes at most this long after the end that it waits for, plus a margin.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(150);

    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _second;
    private readonly EngineUnderTest _third;

    public FreedByTimeTests()
    {
        _second = new EngineUnderTest(sharing: _node, node: "node-2");
        _third = new EngineUnderTest(sharing: _node, node: "node-3");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Slots_that_are_kept_for_different_times_are_taken_as_each_frees(int processes)
    {
        List<TaskLease> kept = [];
        for (int i = 0; i < 5; i++)
        {
            kept.Add((await _node.Locks.TryAcquireAsync("x", new TaskLockOptions { Limit = 5, MinHold = TimeSpan.FromSeconds(1 + (i * 0.5)) }))!);
        }

        foreach (TaskLease lease in kept)
        {
            await lease.DisposeAsync();
        }

        Task<TaskLease>[] waiting = await WaitAsync(5, new TaskLockOptions { Limit = 5 }, processes);
        await ServedInTurnAsync(waiting, i => TimeSpan.FromSeconds(1 + (i * 0.5)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Leases_that_all_end_with_their_MaxHold_are_followed_by_the_next_as_each_ends(int processes)
    {
        TaskLockOptions stuck = new() { Expire = TimeSpan.FromSeconds(1), MaxHold = TimeSpan.FromSeconds(1) };
        await _node.Locks.TryAcquireAsync("x", stuck);
        Task<TaskLease>[] waiting = await WaitAsync(6, stuck, processes);

        // None is released. Each ends a second after the previous one has been taken over.
        await ServedInTurnAsync(waiting, i => (i + 1) * (TimeSpan.FromSeconds(1) + Look));
    }

    [Fact]
    public async Task Holders_that_die_one_after_the_other_are_followed_by_the_oldest_of_all_processes_each_time()
    {
        for (int i = 0; i < 3; i++)
        {
            await DiesAsync("x", TimeSpan.FromSeconds(2 + (i * 0.3)), limit: 3);
        }

        Task<TaskLease>[] waiting = await WaitAsync(3, new TaskLockOptions { Limit = 3 }, processes: 3);
        await ServedInTurnAsync(waiting, i => TimeSpan.FromSeconds(2 + (i * 0.3)));
    }

    [Fact]
    public async Task When_all_holders_die_at_once_as_many_follow_as_there_is_room_for()
    {
        for (int i = 0; i < 4; i++)
        {
            await DiesAsync("x", TimeSpan.FromSeconds(2), limit: 4);
        }

        Task<TaskLease>[] waiting = await WaitAsync(6, new TaskLockOptions { Limit = 4 }, processes: 3);
        await ServedInTurnAsync(waiting[..4], _ => TimeSpan.FromSeconds(2));
        Assert.All(waiting[4..], late => Assert.False(late.IsCompleted));
    }

    [Fact]
    public async Task A_process_that_stands_by_for_one_that_died_runs_as_its_mark_ends()
    {
        TaskLockAttribute taskLock = new("x") { Limit = 2, Expire = 30, OnConflict = LockConflict.Defer, DeferBy = 600 };
        LockOccurrence occurrence = new("Job.Run", _node.Time.GetUtcNow(), IsRetry: false) { Application = "app" };
        await _node.Memory.AcquireAsync(LockRequests.Acquire("x", TimeSpan.FromSeconds(3.5), "dead", occurrence) with { Limit = 2 }, CancellationToken.None);
        LockExecution standby = _second.Execution(taskLock, ExecutionOrigin.Recurring, occurrence: occurrence);
        TaskCompletionSource woken = new();
        (await _second.DecideAsync<LockDecision.Defer>(standby)).Stored(() => new(woken.TrySetResult()));

        Pass(TimeSpan.FromSeconds(3.5));
        Assert.False(woken.Task.IsCompleted);
        Pass(Look);
        await woken.Task.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task A_wake_up_that_a_dead_process_does_not_accept_is_soon_followed_by_one_to_a_living_process()
    {
        await DiesAsync("x", TimeSpan.FromSeconds(2), limit: 1);
        for (int i = 0; i < 20; i++)
        {
            // Frozen: it receives notifications, and does nothing.
            await _third.Memory.AcquireAsync(
                LockRequests.Acquire("x", node: "frozen") with { Waiter = new WaiterEntry(LockRequests.LeaseId(), TimeSpan.FromMinutes(1)) }, CancellationToken.None);
        }

        await _third.GoesDeafAsync();
        await using IAsyncDisposable frozen = await _third.Memory.SubscribeAsync(_ => { }, CancellationToken.None);
        Task<TaskLease> living = (await WaitAsync(1, new TaskLockOptions(), processes: 1))[0];

        Pass(TimeSpan.FromSeconds(2) + Look);
        Assert.False(living.IsCompleted);
        Pass(TimeSpan.FromSeconds(1) + Look);
        await living.WaitAsync(Eventually.DefaultTimeout);
    }

    [Fact]
    public async Task Waiters_that_found_the_queue_full_enter_it_before_any_newcomer_when_there_is_room()
    {
        await DiesAsync("x", TimeSpan.FromHours(1), limit: 1);
        string[] ghosts = [.. Enumerable.Range(0, 110_000).Select(_ => LockRequests.LeaseId())];
        foreach (string ghost in ghosts)
        {
            await _node.Memory.AcquireAsync(LockRequests.Acquire("x", node: "ghost") with { Waiter = new WaiterEntry(ghost, TimeSpan.FromHours(1), 1) }, CancellationToken.None);
        }

        await WaitAsync(150, new TaskLockOptions(), processes: 1, isListed: false);
        await LeaveAsync(ghosts[..120]);
        Pass(TimeSpan.FromSeconds(5.2));
        Assert.Equal(0, await ListedAsync(LockRequests.LeaseId()));
        await LeaveAsync(ghosts[120..10_120]);
        Pass(TimeSpan.FromSeconds(5.2));
        await LeaveAsync(ghosts[10_120..]);

        IReadOnlyList<LockWaiter> waiters = Assert.Single(await _node.ListAsync()).Waiters;
        Assert.Equal(150, waiters.Count(one => one.Description.Node == "node-2"));

        async Task<long> ListedAsync(string newcomer) => (await _node.Memory.AcquireAsync(
            LockRequests.Acquire("x") with { Waiter = new WaiterEntry(newcomer, TimeSpan.FromHours(1)) }, CancellationToken.None)).QueuedSince;

        async Task LeaveAsync(string[] those)
        {
            foreach (string ghost in those)
            {
                await _node.Memory.LeaveAsync(new LeaveRequest("x", ghost), CancellationToken.None);
            }
        }
    }

    public void Dispose()
    {
        _third.Dispose();
        _second.Dispose();
        _node.Dispose();
    }

    /// <summary>A lease that is neither renewed nor released.</summary>
    private async Task DiesAsync(string name, TimeSpan expiry, int limit) =>
        Assert.Equal(AcquireOutcome.Granted, (await _node.Memory.AcquireAsync(LockRequests.Acquire(name, expiry, "dead") with { Limit = limit }, CancellationToken.None)).Outcome);

    /// <summary>This many waiters, one after the other, in alternating processes.</summary>
    private async Task<Task<TaskLease>[]> WaitAsync(int count, TaskLockOptions options, int processes, bool isListed = true)
    {
        EngineUnderTest[] nodes = [_second, _third, _node];
        List<Task<TaskLease>> waiting = [];
        for (int i = 0; i < count; i++)
        {
            EngineUnderTest node = nodes[i % processes];
            int asked = node.Store.Asked.Count;
            waiting.Add(node.Locks.AcquireAsync("x", options).AsTask());
            await Eventually.IsTrueAsync(() => node.Store.Asked.Count > asked);
            if (isListed)
            {
                await Eventually.SeesAsync(async () => (await _node.ListAsync())[0].Waiters.Count(one => one.Description.Node.StartsWith("node", StringComparison.Ordinal)), queued => queued == i + 1);
            }
        }

        return [.. waiting];
    }

    /// <summary>Lets time pass up to each of the moments and the poll after it, and no further before the next waiter has its lock.</summary>
    private async Task ServedInTurnAsync(Task<TaskLease>[] waiting, Func<int, TimeSpan> at)
    {
        DateTimeOffset start = _node.Time.GetUtcNow();
        for (int i = 0; i < waiting.Length; i++)
        {
            Pass(start + at(i) + Look - _node.Time.GetUtcNow());
            await waiting[i].WaitAsync(Eventually.DefaultTimeout);
        }
    }

    private void Pass(TimeSpan time)
    {
        if (time > TimeSpan.Zero)
        {
            _node.Time.Advance(time);
        }
    }
}
