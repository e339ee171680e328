using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Telemetry;
using Xunit;

namespace JobLocking.Tests.Engine;

/// <summary>Jobs that a scheduler stores, and delivers a second time while their first run is alive, or after it.</summary>
public sealed class SecondDeliveryTests : IDisposable
{
    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;

    public SecondDeliveryTests() => _other = new EngineUnderTest(sharing: _node, node: "node-2");

    [Theory]
    [InlineData(LockConflict.Auto, 1)]
    [InlineData(LockConflict.Skip, 1)]
    [InlineData(LockConflict.Defer, 1)]
    [InlineData(LockConflict.Fail, 1)]
    [InlineData(LockConflict.Auto, 3)]
    public async Task A_second_delivery_is_postponed_while_the_first_run_is_alive(LockConflict onConflict, int limit)
    {
        await _node.DecideAsync<LockDecision.Run>(Job(_node, onConflict, limit));

        foreach (EngineUnderTest node in new[] { _node, _other })
        {
            LockDecision.Postpone? asked = await node.Engine.LeavesRunningAsync(Second(node, onConflict, limit), CancellationToken.None);
            Assert.Equal(TimeSpan.FromSeconds(30), asked?.Delay);
            await node.DecideAsync<LockDecision.Postpone>(Second(node, onConflict, limit));
            Assert.Contains(EventIds.DeliveryPostponed, node.LoggedIds);
        }

        Assert.Empty((await _node.ListAsync())[0].Waiters);
    }

    [Fact]
    public async Task A_second_delivery_that_comes_before_the_result_of_the_first_run_is_stored_is_postponed()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Job(_node));
        await run.EndAsync(null, aborted: false);

        await _other.DecideAsync<LockDecision.Postpone>(Second(_other));

        _other.Time.Advance(TimeSpan.FromSeconds(61));
        await _other.DecideAsync<LockDecision.Run>(Second(_other));
    }

    [Fact]
    public async Task A_retry_is_not_delayed_by_the_memory_of_the_run_that_failed()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Job(_node));
        await run.EndAsync(new InvalidOperationException(), aborted: false);

        await _other.DecideAsync<LockDecision.Run>(Job(_other) with { Origin = ExecutionOrigin.Retry });
    }

    [Fact]
    public async Task A_second_delivery_runs_at_once_after_a_run_that_its_server_has_aborted()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Job(_node));
        await run.EndAsync(new OperationCanceledException(), aborted: true);

        Assert.Null(await _other.Engine.LeavesRunningAsync(Second(_other), CancellationToken.None));
        await _other.DecideAsync<LockDecision.Run>(Second(_other));
    }

    [Fact]
    public async Task A_second_delivery_runs_once_the_lease_of_a_dead_process_has_expired()
    {
        await _node.DecideAsync<LockDecision.Run>(Job(_node));
        _node.Store.RenewAlways = UnreliableStore.Breakage.Refused;
        _other.Time.Advance(TimeSpan.FromSeconds(29));
        await _other.DecideAsync<LockDecision.Postpone>(Second(_other));

        _other.Time.Advance(TimeSpan.FromSeconds(2));

        Assert.Null(await _other.Engine.LeavesRunningAsync(Second(_other), CancellationToken.None));
        await _other.DecideAsync<LockDecision.Run>(Second(_other));
    }

    [Theory]
    [InlineData(LockUnavailable.Defer)]
    [InlineData(LockUnavailable.Run)]
    [InlineData(LockUnavailable.Fail)]
    public async Task A_store_that_does_not_answer_leaves_the_first_run_alone(LockUnavailable onUnavailable)
    {
        LockExecution second = Second(_node);
        TaskLockAttribute taskLock = new("x") { OnUnavailable = onUnavailable };
        second = second with { Policy = _node.Policies.Resolve(taskLock, second.Job) };
        _node.Store.AcquireAlways = UnreliableStore.Breakage.Refused;

        Assert.NotNull(await _node.Engine.LeavesRunningAsync(second, CancellationToken.None));
        await _node.DecideAsync<LockDecision.Postpone>(second);
    }

    [Fact]
    public async Task A_second_delivery_of_a_dead_run_waits_for_the_lock_as_any_other_execution()
    {
        await using TaskLease taken = (await _node.Locks.TryAcquireAsync("x"))!;

        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(Second(_other, LockConflict.Skip));

        Assert.False(defer.StandsBy);
    }

    [Fact]
    public async Task A_job_that_another_worker_began_meanwhile_is_postponed_though_it_was_not_running_when_it_was_delivered()
    {
        await _node.DecideAsync<LockDecision.Run>(Second(_node));

        await _other.DecideAsync<LockDecision.Postpone>(Job(_other));
    }

    public void Dispose()
    {
        _other.Dispose();
        _node.Dispose();
    }

    private static LockExecution Job(EngineUnderTest node, LockConflict onConflict = LockConflict.Auto, int limit = 1) =>
        node.Execution(new TaskLockAttribute("x") { Expire = 30, OnConflict = onConflict, Limit = limit }) with
        {
            Execution = "17",
            Delivery = new JobDelivery("17", IsSecond: false),
        };

    private static LockExecution Second(EngineUnderTest node, LockConflict onConflict = LockConflict.Auto, int limit = 1) =>
        Job(node, onConflict, limit) with { Origin = ExecutionOrigin.Redelivery, Delivery = new JobDelivery("17", IsSecond: true) };
}
