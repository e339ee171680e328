using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Tests.Engine;
using Xunit;

namespace JobLocking.Tests.Leasing;

public sealed class HeldLeasesTests : IDisposable
{
    private readonly EngineUnderTest _node = new();

    [Fact]
    public async Task Trying_a_lock_by_hand_that_this_process_holds_needs_no_request()
    {
        TaskLease lease = (await _node.Locks.TryAcquireAsync("x"))!;
        Assert.Null(await _node.Locks.TryAcquireAsync("x"));
        Assert.Single(_node.Store.Calls);

        await lease.DisposeAsync();
        Assert.NotNull(await _node.Locks.TryAcquireAsync("x"));
    }

    [Theory]
    [InlineData(LockConflict.Skip, typeof(LockDecision.Skip))]
    [InlineData(LockConflict.Fail, typeof(LockDecision.Fail))]
    public async Task A_skip_or_failure_because_of_a_holder_of_this_process_needs_no_request(LockConflict onConflict, Type decision)
    {
        TaskLockAttribute taskLock = new("x") { OnConflict = onConflict };
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(taskLock));
        Assert.IsType(decision, await _node.Engine.DecideAsync(_node.Execution(taskLock), CancellationToken.None));
        Assert.Single(_node.Store.Calls);
    }

    [Fact]
    public async Task A_deferral_always_asks_the_store()
    {
        TaskLockAttribute taskLock = new("x") { OnConflict = LockConflict.Defer };
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(taskLock));
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(taskLock));
        Assert.Equal(2, _node.Store.Calls.Count);
    }

    [Fact]
    public async Task A_lease_past_its_deadline_or_lost_counts_as_no_holder()
    {
        TaskLease expired = (await _node.Locks.TryAcquireAsync("x"))!;
        _node.Time.TimersAreFrozen = true;
        _node.Time.Advance(TimeSpan.FromSeconds(61));
        TaskLease next = (await _node.Locks.TryAcquireAsync("x"))!;
        Assert.True(next.FencingToken > expired.FencingToken);

        // The end of the first does not make the registry forget the second.
        await expired.DisposeAsync();
        int calls = _node.Store.Calls.Count;
        Assert.Null(await _node.Locks.TryAcquireAsync("x"));
        Assert.Equal(calls, _node.Store.Calls.Count);

        await _node.Memory.BreakAsync("x", next.FencingToken, CancellationToken.None);
        next.Lose(LeaseLoss.Broken);
        Assert.NotNull(await _node.Locks.TryAcquireAsync("x"));
    }

    [Fact]
    public async Task The_store_judges_an_occurrence_even_while_this_process_holds_the_lock()
    {
        TaskLockAttribute taskLock = new("x") { OnConflict = LockConflict.Skip };
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(taskLock));
        await _node.DecideAsync<LockDecision.Skip>(_node.Execution(taskLock, occurrence: new("Job.Run", _node.Time.GetUtcNow(), IsRetry: false)));
        Assert.Equal(2, _node.Store.Calls.Count(call => call.StartsWith("acquire", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_lock_with_a_limit_needs_no_request_while_this_process_holds_all_its_slots()
    {
        TaskLockOptions two = new() { Limit = 2 };
        TaskLease first = (await _node.Locks.TryAcquireAsync("x", two))!;
        TaskLease second = (await _node.Locks.TryAcquireAsync("x", two))!;
        Assert.Equal(2, _node.Store.Calls.Count);
        Assert.Null(await _node.Locks.TryAcquireAsync("x", two));
        Assert.Null(await _node.Locks.TryAcquireAsync("x", new TaskLockOptions { Limit = 5 }));
        Assert.Equal(2, _node.Store.Calls.Count);

        await first.DisposeAsync();
        TaskLease third = (await _node.Locks.TryAcquireAsync("x", two))!;
        Assert.True(third.FencingToken > second.FencingToken);
        Assert.Null(await _node.Locks.TryAcquireAsync("x"));
    }

    [Fact]
    public async Task A_recurring_job_with_a_limit_is_skipped_only_while_every_holder_is_the_same_job()
    {
        TaskLockAttribute two = new("x") { Limit = 2 };
        using EngineUnderTest other = new(sharing: _node, node: "node-2");
        await _node.DecideAsync<LockDecision.Run>(_node.Execution(two, ExecutionOrigin.Recurring));
        LockDecision.Run second = await other.DecideAsync<LockDecision.Run>(other.Execution(two, job: "Other.Run"));
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(two, ExecutionOrigin.Recurring));

        await second.EndAsync(null, aborted: false);
        await other.DecideAsync<LockDecision.Run>(other.Execution(two, ExecutionOrigin.Recurring));
        LockDecision.Skip skip = await _node.DecideAsync<LockDecision.Skip>(_node.Execution(two, ExecutionOrigin.Recurring));
        Assert.Contains("and 1 more", skip.Reason, StringComparison.Ordinal);
    }

    public void Dispose() => _node.Dispose();
}
