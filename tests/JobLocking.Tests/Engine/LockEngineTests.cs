using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Tests.Engine;

public sealed class LockEngineTests : IDisposable
{
    private static readonly TaskLockAttribute Plain = new("x");

    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;

    public LockEngineTests() => _other = new EngineUnderTest(sharing: _node, node: "node-2");

    public static TheoryData<ExecutionOrigin> SecondAttempts =>
        [ExecutionOrigin.Retry, ExecutionOrigin.Redelivery, ExecutionOrigin.Recovery, ExecutionOrigin.Deferred];

    [Fact]
    public async Task A_free_lock_is_granted_and_free_again_after_the_run()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        HeldLock held = Assert.Single(await _node.ListAsync());
        Assert.Equal(("x", "node-1", "Job.Run"), (held.Name, held.Holder!.Node, held.Holder.Job));
        Assert.Equal(run.Lease!.FencingToken, held.FencingToken);

        Assert.Null(await run.EndAsync(null, aborted: false));
        Assert.Empty(await _node.ListAsync());
        Assert.False(run.Lease.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task Auto_skips_the_first_attempt_of_a_recurring_job_while_the_same_job_runs()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain, ExecutionOrigin.OneOff));
        LockDecision.Skip skip = await _node.DecideAsync<LockDecision.Skip>(_node.Execution(Plain, ExecutionOrigin.Recurring));
        Assert.Contains("lock 'x' is held by app on node-2, Test job Job.Run", skip.Reason, StringComparison.Ordinal);
        Assert.Equal("node-2", skip.Holder!.Node);
        Assert.Contains(EventIds.Skipped, _node.LoggedIds);
    }

    [Fact]
    public async Task Auto_defers_a_recurring_job_while_another_job_has_the_lock()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain, job: "Other.Run"));
        LockDecision.Defer defer = await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain, ExecutionOrigin.Recurring));
        Assert.Equal(TimeSpan.FromSeconds(15), defer.Delay);
        Assert.Contains("Other.Run", defer.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Auto_defers_a_recurring_job_while_the_same_job_has_the_lock_in_a_process_that_does_not_answer()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain, ExecutionOrigin.Recurring));
        LockExecution asks = _node.Execution(Plain, ExecutionOrigin.Recurring) with { AsksWhetherHolderAnswers = true };
        await _node.DecideAsync<LockDecision.Skip>(asks);

        await _other.GoesDeafAsync();

        LockDecision.Defer defer = await _node.DecideAsync<LockDecision.Defer>(asks);
        Assert.Contains("lock 'x' is held by app on node-2, Test job Job.Run", defer.Reason, StringComparison.Ordinal);
        Assert.EndsWith(", whose process does not answer", defer.Reason, StringComparison.Ordinal);
        Assert.Single((await _node.ListAsync())[0].Waiters);
        await _node.DecideAsync<LockDecision.Skip>(_node.Execution(Plain, ExecutionOrigin.Recurring));
    }

    [Fact]
    public async Task Auto_defers_a_recurring_job_while_one_of_several_holders_does_not_answer()
    {
        TaskLockAttribute two = new("x") { Limit = 2 };
        using EngineUnderTest dead = new(sharing: _node, node: "node-3");
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(two, ExecutionOrigin.Recurring));
        await dead.DecideAsync<LockDecision.Run>(dead.Execution(two, ExecutionOrigin.Recurring));
        LockExecution asks = _node.Execution(two, ExecutionOrigin.Recurring) with { AsksWhetherHolderAnswers = true };
        await _node.DecideAsync<LockDecision.Skip>(asks);

        await dead.GoesDeafAsync();

        LockDecision.Defer defer = await _node.DecideAsync<LockDecision.Defer>(asks);
        Assert.EndsWith(" and 1 more; the process of one of them does not answer", defer.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whether_the_holder_answers_is_asked_only_where_the_answer_would_be_a_skip()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        await _other.GoesDeafAsync();
        LockExecution asks = _node.Execution(Plain, ExecutionOrigin.Recurring) with { AsksWhetherHolderAnswers = true };
        LockPolicy Policy(LockConflict onConflict) => _node.Policies.Resolve(new TaskLockAttribute("x") { OnConflict = onConflict }, "Job.Run");

        await _node.DecideAsync<LockDecision.Skip>(asks with { Policy = Policy(LockConflict.Skip) });
        await _node.DecideAsync<LockDecision.Defer>(asks with { Policy = Policy(LockConflict.Defer) });
        await _node.DecideAsync<LockDecision.Fail>(asks with { Policy = Policy(LockConflict.Fail) });
        await _node.DecideAsync<LockDecision.Defer>(asks with { Origin = ExecutionOrigin.OneOff });
        await _node.DecideAsync<LockDecision.Defer>(asks with { Origin = ExecutionOrigin.Retry });
        await _node.DecideAsync<LockDecision.Defer>(asks with { Identity = null });
        Assert.All(_node.Store.Asked, request => Assert.False(request.AsksWhetherHolderAnswers));

        await _node.DecideAsync<LockDecision.Defer>(asks);
        Assert.True(_node.Store.Asked.Last().AsksWhetherHolderAnswers);
    }

    [Fact]
    public async Task Auto_defers_a_recurring_job_that_the_schedule_does_not_run_again_and_asks_only_when_it_would_skip()
    {
        Lazy<bool> runsAgain = new(() => false);
        LockDecision.Run run = await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain, ExecutionOrigin.Recurring) with { RunsAgain = runsAgain });
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain, ExecutionOrigin.Recurring, job: "Other.Run") with { RunsAgain = runsAgain });
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain, ExecutionOrigin.Retry) with { RunsAgain = runsAgain });
        await _node.DecideAsync<LockDecision.Skip>(
            _node.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Skip }, ExecutionOrigin.Recurring) with { RunsAgain = runsAgain });
        Assert.False(runsAgain.IsValueCreated);

        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain, ExecutionOrigin.Recurring) with { RunsAgain = runsAgain });
        Assert.Null(_other.Engine.SkipsLocally(_other.Execution(Plain, ExecutionOrigin.Recurring) with { RunsAgain = runsAgain }));
        await _node.DecideAsync<LockDecision.Skip>(_node.Execution(Plain, ExecutionOrigin.Recurring) with { RunsAgain = new(() => true) });
        await run.EndAsync(null, aborted: false);
    }

    [Fact]
    public async Task A_deferral_says_whether_the_store_was_unavailable()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        Assert.False((await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain))).IsUnavailable);
        _node.Store.AcquireAlways = UnreliableStore.Breakage.Refused;
        Assert.True((await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain))).IsUnavailable);
    }

    [Fact]
    public async Task A_deferral_is_logged_when_it_has_been_stored()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        LockExecution execution = _node.Execution(Plain);
        LockDecision.Defer defer = await _node.DecideAsync<LockDecision.Defer>(execution);
        Assert.DoesNotContain(EventIds.Deferred, _node.LoggedIds);
        defer.Stored(EngineUnderTest.NeverWoken);
        Assert.Contains(EventIds.Deferred, _node.LoggedIds);
    }

    [Fact]
    public async Task Auto_defers_a_recurring_job_while_a_job_of_the_same_name_in_another_application_has_the_lock()
    {
        using EngineUnderTest foreign = new(sharing: _node, application: "other-app");
        await foreign.DecideAsync<LockDecision.Run>(foreign.Execution(Plain));
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain, ExecutionOrigin.Recurring));
    }

    [Fact]
    public async Task Auto_defers_a_job_that_runs_only_once()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain, ExecutionOrigin.OneOff));
    }

    [Theory]
    [MemberData(nameof(SecondAttempts))]
    public async Task A_second_attempt_is_never_skipped_for_contention(ExecutionOrigin origin)
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        foreach (LockConflict onConflict in new[] { LockConflict.Auto, LockConflict.Skip, LockConflict.Defer })
        {
            await _node.DecideAsync<LockDecision.Defer>(_node.Execution(new TaskLockAttribute("x") { OnConflict = onConflict }, origin));
        }

        await _node.DecideAsync<LockDecision.Fail>(_node.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Fail }, origin));
    }

    [Fact]
    public async Task Skip_and_Fail_do_as_they_say_on_a_first_attempt()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain, job: "Other.Run"));
        await _node.DecideAsync<LockDecision.Skip>(_node.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Skip }));
        LockDecision.Fail fail = await _node.DecideAsync<LockDecision.Fail>(_node.Execution(new TaskLockAttribute("x") { OnConflict = LockConflict.Fail }));
        TaskLockConflictException error = Assert.IsType<TaskLockConflictException>(fail.Error);
        Assert.Equal(("x", "Other.Run"), (error.LockName, error.Holder!.Job));
    }

    [Fact]
    public async Task Each_further_deferral_doubles_the_delay_up_to_five_minutes()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        double[] delays = await Task.WhenAll(Enumerable.Range(0, 7).Select(async n =>
            (await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain, deferral: EngineUnderTest.Deferred(n)))).Delay.TotalSeconds));
        Assert.Equal([15, 30, 60, 120, 240, 300, 300], delays);

        TaskLockAttribute slow = new("x") { DeferBy = 600 };
        Assert.Equal(600, (await _node.DecideAsync<LockDecision.Defer>(_node.Execution(slow, deferral: EngineUnderTest.Deferred(1000)))).Delay.TotalSeconds);
        TaskLockAttribute slowest = new("x") { DeferBy = int.MaxValue };
        Assert.Equal(int.MaxValue, (await _node.DecideAsync<LockDecision.Defer>(_node.Execution(slowest, deferral: EngineUnderTest.Deferred(int.MaxValue)))).Delay.TotalSeconds);
    }

    [Fact]
    public async Task A_deferred_execution_gives_up_visibly()
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));
        TaskLockAttribute impatient = new("x") { DeferBy = 10, GiveUpAfter = 25 };
        DateTimeOffset first = _node.Time.GetUtcNow();

        Assert.Equal(10, (await _node.DecideAsync<LockDecision.Defer>(_node.Execution(impatient))).Delay.TotalSeconds);
        _node.Time.Advance(TimeSpan.FromSeconds(10));
        LockExecution second = _node.Execution(impatient, ExecutionOrigin.Deferred, deferral: EngineUnderTest.Deferred(1, first));
        Assert.Equal(15, (await _node.DecideAsync<LockDecision.Defer>(second)).Delay.TotalSeconds);
        _node.Time.Advance(TimeSpan.FromSeconds(15));
        LockExecution third = _node.Execution(impatient, ExecutionOrigin.Deferred, deferral: EngineUnderTest.Deferred(2, first));
        LockDecision.Fail fail = await _node.DecideAsync<LockDecision.Fail>(third);
        Assert.Contains("Given up after 2 deferrals in 25 seconds", fail.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_lease_is_logged_with_its_job_the_reason_and_where_to_look()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(new TaskLockAttribute("x") { Expire = 60, MaxHold = 90 }));
        _node.Time.Advance(TimeSpan.FromSeconds(60));
        Assert.True(run.Lease!.IsLost());
        Assert.Contains(
            $"Lock 'x' with fencing token {run.Lease.FencingToken} was lost (Expired) while it was held by {run.Lease.Holder}: it could not be renewed before its deadline. Look for an outage of the store",
            _node.Logged,
            StringComparison.Ordinal);
        Assert.Contains("Job.Run", $"{run.Lease.Holder}", StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unreachable_store_defers_fails_or_runs_without_the_lock_as_the_policy_says()
    {
        _node.Store.AcquireAlways = UnreliableStore.Breakage.Refused;
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain));
        LockDecision.Fail fail = await _node.DecideAsync<LockDecision.Fail>(_node.Execution(new TaskLockAttribute("x") { OnUnavailable = LockUnavailable.Fail }));
        Assert.IsType<TaskLockUnavailableException>(fail.Error);
        Assert.DoesNotContain(EventIds.RunsWithoutLock, _node.LoggedIds);

        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(new TaskLockAttribute("x") { OnUnavailable = LockUnavailable.Run }));
        Assert.Null(run.Lease);
        Assert.Contains(EventIds.RunsWithoutLock, _node.LoggedIds);
        run.Enter();
        Assert.Null(_node.Accessor.Current);
        Assert.Throws<TaskLockException>(() => _node.Accessor.Required);
        Assert.Null(await run.EndAsync(null, aborted: false));
    }

    [Fact]
    public async Task The_lease_of_a_run_is_found_only_on_its_flow_and_not_after_its_end()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        Assert.Null(_node.Accessor.Current);
        TaskLockException early = Assert.Throws<TaskLockException>(() => _node.Accessor.Required);
        Assert.Contains("no lease before Execute, so do not read it in the constructor", early.Message, StringComparison.Ordinal);

        run.Enter();
        Assert.Same(run.Lease, _node.Accessor.Required);
        TaskCompletionSource ended = new();
        Task<TaskLease?> leftBehind = Task.Run(async () =>
        {
            await ended.Task;
            return _node.Accessor.Current;
        });
        await run.EndAsync(null, aborted: false);
        ended.SetResult();
        Assert.Null(await leftBehind);
        Assert.Null(_node.Accessor.Current);
        Assert.Contains("put [TaskLock]", Assert.Throws<TaskLockException>(() => _node.Accessor.Required).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_cancelled_by_the_loss_fails_with_the_loss()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        run.Lease!.Lose(LeaseLoss.Broken);
        Exception? verdict = await run.EndAsync(new OperationCanceledException(), aborted: false);
        Assert.Contains("an operator has broken it", Assert.IsType<TaskLockLostException>(verdict).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_cancelled_by_the_loss_and_a_shutdown_is_left_to_the_scheduler()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        run.Lease!.Lose(LeaseLoss.Broken);
        Assert.Null(await run.EndAsync(new OperationCanceledException(), aborted: true));
    }

    [Fact]
    public async Task A_body_that_returned_before_it_could_know_of_the_loss_has_succeeded_with_a_warning()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        run.Lease!.Lose(LeaseLoss.Taken);
        Assert.Null(await run.EndAsync(null, aborted: false));
        Assert.Contains(EventIds.SucceededAfterLoss, _node.LoggedIds);
    }

    [Fact]
    public async Task A_loss_that_is_noticed_only_at_the_release_causes_a_warning()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Plain));
        await _node.GoesDeafAsync();
        await _node.Memory.BreakAsync("x", run.Lease!.FencingToken, CancellationToken.None);
        LockDecision.Run successor = await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain));

        await run.EndAsync(null, aborted: false);
        Assert.Contains(EventIds.ReleasedTooLate, _node.LoggedIds);
        Assert.Equal(successor.Lease!.FencingToken, Assert.Single(await _node.ListAsync()).FencingToken);
    }

    [Fact]
    public async Task MinHold_keeps_the_lock_after_a_success_and_not_after_a_failure()
    {
        TaskLockAttribute kept = new("x") { MinHold = 40 };
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(kept));
        _node.Time.Advance(TimeSpan.FromSeconds(10));
        await run.EndAsync(null, aborted: false);

        HeldLock held = Assert.Single(await _node.ListAsync());
        Assert.True(held.IsKept);
        Assert.Equal(30, held.TimeLeft!.Value.TotalSeconds, 0.001);
        LockDecision.Skip skip = await _other.DecideAsync<LockDecision.Skip>(_other.Execution(kept, ExecutionOrigin.Recurring));
        Assert.Contains("kept for its minimum hold after the run of app on node-1", skip.Reason, StringComparison.Ordinal);

        _node.Time.Advance(TimeSpan.FromSeconds(30));
        run = await _node.DecideAsync<LockDecision.Run>(_node.Execution(kept));
        await run.EndAsync(new InvalidOperationException("failed"), aborted: false);
        Assert.Empty(await _node.ListAsync());
    }

    [Fact]
    public async Task A_holder_of_another_application_causes_one_warning()
    {
        using EngineUnderTest foreign = new(sharing: _node, application: "other-app");
        await foreign.DecideAsync<LockDecision.Run>(foreign.Execution(Plain));
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain));
        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(Plain));
        Assert.Single(_node.LoggedIds, id => id == EventIds.OtherApplication);
    }

    [Fact]
    public async Task A_cancelled_request_gives_back_what_was_granted_meanwhile()
    {
        _node.Store.HoldAcquire = new TaskCompletionSource();
        using CancellationTokenSource cancellation = new();
        Task<LockDecision> asking = _node.Engine.DecideAsync(_node.Execution(Plain), cancellation.Token).AsTask();
        Assert.Single(await _node.ListAsync());

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await Eventually.IsTrueAsync(async () => (await _node.ListAsync()).Count == 0);
    }

    public void Dispose()
    {
        _node.Dispose();
        _other.Dispose();
    }
}
