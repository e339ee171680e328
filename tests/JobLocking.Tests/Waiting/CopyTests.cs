using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using JobLocking.Tests.Telemetry;
using Xunit;
using Breakage = JobLocking.Tests.Engine.UnreliableStore.Breakage;

namespace JobLocking.Tests.Waiting;

/// <summary>Two executions that come from one deferral. Exactly one of them runs.</summary>
public sealed class CopyTests : IDisposable
{
    private static readonly TaskLockAttribute Deferring = new("x") { OnConflict = LockConflict.Defer };

    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;

    public CopyTests() => _other = new EngineUnderTest(sharing: _node, node: "node-2");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_second_of_two_copies_does_not_run_and_counts_neither_as_a_skip_nor_as_a_deferral(bool hasEnded)
    {
        using Measurements measured = new(_other.Meters);
        DeferralState state = await DeferredAsync();
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Copy(_node, state));
        if (hasEnded)
        {
            await run.EndAsync(null, aborted: false);
        }

        LockDecision.Skip copy = await _other.DecideAsync<LockDecision.Skip>(Copy(_other, state));

        Assert.True(copy.IsCopy);
        Assert.Contains(EventIds.DeferralSpent, _other.LoggedIds);
        Assert.DoesNotContain(EventIds.Skipped, _other.LoggedIds);
        Assert.Equal((0, 0), (measured.Sum(JobLockingDiagnostics.Skips), measured.Sum(JobLockingDiagnostics.Waiters)));
        Assert.DoesNotContain(await _node.ListAsync(), held => held.Waiters.Count > 0);
    }

    [Fact]
    public async Task Copies_that_are_deferred_again_are_spent_by_the_first_that_runs()
    {
        DeferralState state = await DeferredAsync();
        LockDecision.Run holds = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring));
        LockDecision.Defer first = await _node.DecideAsync<LockDecision.Defer>(Copy(_node, state));
        LockDecision.Defer second = await _other.DecideAsync<LockDecision.Defer>(Copy(_other, state));
        await holds.EndAsync(null, aborted: false);

        await _other.DecideAsync<LockDecision.Run>(Copy(_other, second.State));
        Assert.True((await _node.DecideAsync<LockDecision.Skip>(Copy(_node, first.State))).IsCopy);
    }

    [Fact]
    public async Task Copies_that_wait_in_place_in_one_process_are_spent_by_the_first_that_runs()
    {
        TaskLockAttribute patient = new("x") { OnConflict = LockConflict.Defer, Wait = 600 };
        DeferralState state = await DeferredAsync();
        LockDecision.Run holds = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring));
        Task<LockDecision>[] copies = [.. Enumerable.Range(0, 2).Select(_ => _other.Engine.DecideAsync(Copy(_other, state, patient), CancellationToken.None).AsTask())];
        await Eventually.IsTrueAsync(async () => Assert.Single(await _node.ListAsync()).Waiters.Count == 2);
        await holds.EndAsync(null, aborted: false);

        LockDecision one = await (await Task.WhenAny(copies)).WaitAsync(Eventually.DefaultTimeout, TestContext.Current.CancellationToken);
        await Assert.IsType<LockDecision.Run>(one).EndAsync(null, aborted: false);

        LockDecision[] both = await Task.WhenAll(copies).WaitAsync(Eventually.DefaultTimeout, TestContext.Current.CancellationToken);
        Assert.True(Assert.Single(both.OfType<LockDecision.Skip>()).IsCopy);
    }

    [Fact]
    public async Task An_execution_that_comes_back_with_the_deferral_state_it_ran_with_runs_again_where_there_are_no_copies()
    {
        DeferralState state = await DeferredAsync();
        LockDecision.Run died = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring, ExecutionOrigin.Deferred, deferral: state));
        await died.EndAsync(null, aborted: false);

        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Deferring, ExecutionOrigin.Redelivery, deferral: state));
    }

    [Fact]
    public async Task An_unused_lease_restores_the_deferral_that_it_has_spent()
    {
        DeferralState state = await DeferredAsync();
        AnswersAreLost();
        await _node.DecideAsync<LockDecision.Defer>(Copy(_node, state));
        await _node.Background.DrainAsync(CancellationToken.None);

        await _other.DecideAsync<LockDecision.Run>(Copy(_other, state));
    }

    [Fact]
    public async Task An_execution_is_not_refused_because_of_a_lease_of_its_own_that_could_not_be_released()
    {
        DeferralState state = await DeferredAsync();
        AnswersAreLost();
        _node.Store.ReleaseAlways = Breakage.RequestLost;
        LockDecision.Defer again = await _node.DecideAsync<LockDecision.Defer>(Copy(_node, state));

        _node.Time.Advance(TimeSpan.FromMinutes(2));

        Assert.True((await _other.DecideAsync<LockDecision.Skip>(Copy(_other, state))).IsCopy);
        await _other.DecideAsync<LockDecision.Run>(Copy(_other, again.State));
    }

    public void Dispose()
    {
        _node.Store.ReleaseAlways = Breakage.None;
        _other.Dispose();
        _node.Dispose();
    }

    private static LockExecution Copy(EngineUnderTest node, DeferralState state, TaskLockAttribute? taskLock = null) =>
        node.Execution(taskLock ?? Deferring, ExecutionOrigin.Deferred, deferral: state) with { MayHaveCopies = true };

    /// <summary>The store grants both requests for the same lease.</summary>
    private void AnswersAreLost()
    {
        _node.Store.Acquire.Enqueue(Breakage.AnswerLost);
        _node.Store.Acquire.Enqueue(Breakage.AnswerLost);
    }

    /// <summary>The state of a deferral whose lock is free by now.</summary>
    private async Task<DeferralState> DeferredAsync()
    {
        LockDecision.Run holds = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring));
        LockExecution execution = _other.Execution(Deferring);
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(execution);
        TaskCompletionSource woken = new();
        defer.Stored(() =>
        {
            woken.SetResult();
            return new ValueTask<bool>(true);
        });
        await holds.EndAsync(null, aborted: false);
        await woken.Task.WaitAsync(Eventually.DefaultTimeout);
        return defer.State;
    }
}
