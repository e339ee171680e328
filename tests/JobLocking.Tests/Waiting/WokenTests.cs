using System.Collections.Concurrent;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Xunit;

namespace JobLocking.Tests.Waiting;

/// <summary>
/// Deferrals that are woken and do not run: deleted, or behind other work. No poll is answered in these tests, so the next one is woken
/// only because the process follows up its wake-ups.
/// </summary>
public sealed class WokenTests : IDisposable
{
    private static readonly TaskLockAttribute Deferring = new("x") { OnConflict = LockConflict.Defer, DeferBy = 3600 };

    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;
    private readonly ConcurrentQueue<string> _woken = new();

    public WokenTests()
    {
        _other = new EngineUnderTest(sharing: _node, node: "node-2");
        _node.Store.HoldPoll = _other.Store.HoldPoll = new TaskCompletionSource();
    }

    [Fact]
    public async Task A_woken_execution_that_does_not_begin_within_two_seconds_lets_the_next_of_all_processes_be_woken()
    {
        LockDecision.Run run = await HoldAsync();
        await DeferAsync(_node, "first");
        await DeferAsync(_other, "second");
        await DeferAsync(_node, "third");
        await EndAsync(run);
        await WokenAsync("first");

        Assert.True(await WokenInTimeAsync("first", "second") > TimeSpan.FromSeconds(1.9));
        Assert.True(await WokenInTimeAsync("first", "second", "third") > TimeSpan.FromSeconds(1.9));
    }

    [Fact]
    public async Task At_most_three_follow_one_release_and_an_execution_that_begins_then_is_the_oldest_again_if_refused()
    {
        LockDecision.Run run = await HoldAsync();
        DeferralState first = await DeferAsync(_node, "first");
        foreach (string name in new[] { "second", "third", "fourth", "fifth", "sixth" })
        {
            await DeferAsync(name.Length % 2 == 0 ? _other : _node, name);
        }

        await EndAsync(run);
        await WokenInTimeAsync("first", "second", "third", "fourth");
        await PassAsync(20);
        await WokenAsync("first", "second", "third", "fourth");
        LockDecision.Run faster = await HoldAsync();
        await DeferAsync(_other, "first again", first);
        await EndAsync(faster);
        await WokenAsync("first", "second", "third", "fourth", "first again");
    }

    [Fact]
    public async Task A_woken_execution_that_begins_in_time_costs_no_request()
    {
        LockDecision.Run run = await HoldAsync();
        DeferralState first = await DeferAsync(_other, "first");
        await DeferAsync(_node, "second");
        await EndAsync(run);
        await WokenAsync("first");
        int asked = _other.Store.Calls.Count;
        LockDecision.Run begun = await _other.DecideAsync<LockDecision.Run>(_other.Execution(Deferring, ExecutionOrigin.Deferred, deferral: first));

        await PassAsync(2.5);

        Assert.Equal(asked + 1, _other.Store.Calls.Count);
        Assert.Single(_woken);
        await begun.EndAsync(null, aborted: false);
        await WokenAsync("first", "second");
    }

    [Fact]
    public async Task A_woken_execution_that_runs_on_another_node_wakes_no_other()
    {
        LockDecision.Run run = await HoldAsync();
        DeferralState first = await DeferAsync(_other, "first");
        await DeferAsync(_node, "second");
        await EndAsync(run);
        await WokenAsync("first");
        LockDecision.Run begun = await _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring, ExecutionOrigin.Deferred, deferral: first));

        await PassAsync(2.5);
        await Eventually.IsTrueAsync(() => _other.Store.Has("decline x"));

        Assert.Single(_woken);
        await begun.EndAsync(null, aborted: false);
        await WokenAsync("first", "second");
    }

    [Fact]
    public async Task A_woken_execution_that_begins_before_the_scheduler_returns_costs_no_request_either()
    {
        LockDecision.Run run = await HoldAsync();
        LockExecution execution = _other.Execution(Deferring);
        LockDecision.Defer defer = await _other.DecideAsync<LockDecision.Defer>(execution);
        TaskCompletionSource<LockDecision.Run> begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        defer.Stored(async () =>
        {
            begun.SetResult(await _other.DecideAsync<LockDecision.Run>(_other.Execution(Deferring, ExecutionOrigin.Deferred, deferral: defer.State)));
            return true;
        });
        await EndAsync(run);
        LockDecision.Run runs = await begun.Task.WaitAsync(Eventually.DefaultTimeout, TestContext.Current.CancellationToken);
        await _other.Background.DrainAsync(CancellationToken.None);

        await PassAsync(2.5);

        Assert.False(_other.Store.Has("decline x"));
        await runs.EndAsync(null, aborted: false);
    }

    [Fact]
    public async Task An_execution_that_is_gone_after_its_wake_up_lets_the_next_be_woken_at_once()
    {
        LockDecision.Run run = await HoldAsync();
        DeferralState first = await DeferAsync(_other, "first");
        await DeferAsync(_node, "second");
        await EndAsync(run);
        await WokenAsync("first");

        // Any process may notice that.
        _node.Engine.Gone("x", first);

        await WokenAsync("first", "second");
    }

    [Fact]
    public async Task An_execution_that_is_gone_before_its_wake_up_leaves_the_waiting_queue()
    {
        LockDecision.Run run = await HoldAsync();
        DeferralState first = await DeferAsync(_other, "first");
        await DeferAsync(_node, "second");

        _other.Engine.Gone("x", first);
        _other.Engine.Gone("x", DeferralState.Parse("1;1;1;0;no waiter")!);

        await Eventually.SeesAsync(async () => Assert.Single(await _node.ListAsync()).Waiters.Count, waiters => waiters == 1);
        await EndAsync(run);
        await WokenAsync("second");
    }

    [Fact]
    public async Task A_host_that_has_stopped_follows_up_no_wake_up()
    {
        LockDecision.Run run = await HoldAsync();
        await DeferAsync(_other, "first");
        await DeferAsync(_node, "second");
        await EndAsync(run);
        await WokenAsync("first");

        _other.Queue.Stop();
        await PassAsync(3);

        Assert.False(_other.Store.Has("decline x"));
    }

    public void Dispose()
    {
        _other.Dispose();
        _node.Dispose();
    }

    private Task<LockDecision.Run> HoldAsync() => _node.DecideAsync<LockDecision.Run>(_node.Execution(Deferring));

    private async Task EndAsync(LockDecision.Run run) => await run.EndAsync(null, aborted: false);

    private async Task<DeferralState> DeferAsync(EngineUnderTest node, string name, DeferralState? state = null)
    {
        LockExecution execution = node.Execution(Deferring, state is null ? ExecutionOrigin.OneOff : ExecutionOrigin.Deferred, deferral: state);
        LockDecision.Defer defer = await node.DecideAsync<LockDecision.Defer>(execution);
        defer.Stored(() =>
        {
            _woken.Enqueue(name);
            return new(true);
        });
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        return defer.State;
    }

    private Task<string> WokenAsync(params string[] names) => Eventually.SeesAsync(() => string.Join(", ", _woken), woken => woken == string.Join(", ", names));

    /// <summary>Lets time pass until the last of them is woken.</summary>
    /// <returns>How much.</returns>
    private async Task<TimeSpan> WokenInTimeAsync(params string[] names)
    {
        DateTimeOffset start = _node.Time.GetUtcNow();
        await Eventually.SeesAsync(
            () =>
            {
                _node.Time.Advance(TimeSpan.FromMilliseconds(100));
                return string.Join(", ", _woken);
            },
            woken => woken == string.Join(", ", names));
        return _node.Time.GetUtcNow() - start;
    }

    /// <summary>Step by step, so that each request that becomes due is answered before the next.</summary>
    private async Task PassAsync(double seconds)
    {
        for (int step = 0; step < seconds * 10; step++)
        {
            _node.Time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }
    }
}
