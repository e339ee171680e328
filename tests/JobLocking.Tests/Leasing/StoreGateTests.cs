using JobLocking.Engine;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Xunit;
using static JobLocking.Tests.Engine.UnreliableStore;

namespace JobLocking.Tests.Leasing;

/// <summary>Which requests wait for a store that does not answer, and which fail at once.</summary>
public sealed class StoreGateTests : IDisposable
{
    private static readonly TaskLockOptions Short = new() { Expire = TimeSpan.FromSeconds(30) };

    private readonly EngineUnderTest _node = new();

    private int StoreCalls => _node.Store.Asked.Count;

    private IEnumerable<int> Told => _node.LoggedIds.Where(id => id is EventIds.Unavailable or EventIds.AvailableAgain);

    [Fact]
    public async Task After_an_unanswered_request_none_is_sent_for_two_seconds_and_then_one_at_a_time()
    {
        FallsSilent();
        await UnavailableAsync();
        Assert.Equal(2, StoreCalls);
        await UnavailableAsync("y");
        _node.Time.Advance(TimeSpan.FromSeconds(1.9));
        await UnavailableAsync("y");
        Assert.Equal(2, StoreCalls);

        _node.Time.Advance(TimeSpan.FromSeconds(0.2));
        _node.Store.HoldAcquire = new TaskCompletionSource();
        Task<TaskLease?> probe = TryAsync("y");
        Assert.Equal(3, StoreCalls);
        await UnavailableAsync("z");
        Assert.Equal(3, StoreCalls);

        _node.Store.AcquireAlways = Breakage.None;
        _node.Store.HoldAcquire.SetResult();
        Assert.NotNull(await probe);
        Assert.NotNull(await TryAsync("z"));
    }

    [Fact]
    public async Task A_lock_that_may_have_been_granted_is_released_and_the_answer_ends_the_silence()
    {
        FallsSilent();
        await UnavailableAsync();
        await UnavailableAsync("y");
        (_node.Store.AcquireAlways, _node.Store.ReleaseAlways) = (Breakage.None, Breakage.None);
        await Eventually.IsTrueAsync(() =>
        {
            _node.Time.Advance(TimeSpan.FromMilliseconds(10));
            return Told.Last() == EventIds.AvailableAgain;
        });
        Assert.NotNull(await TryAsync("y"));
    }

    [Fact]
    public async Task A_probe_that_is_cancelled_lets_the_next_one_through()
    {
        FallsSilent();
        await UnavailableAsync();
        _node.Time.Advance(TimeSpan.FromSeconds(2.1));
        (_node.Store.AcquireAlways, _node.Store.HoldAcquire) = (Breakage.None, new TaskCompletionSource());
        using CancellationTokenSource impatience = new();
        Task<TaskLease?> probe = _node.Locks.TryAcquireAsync("y", Short, impatience.Token).AsTask();
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => probe);

        _node.Store.HoldAcquire = null;
        Assert.NotNull(await TryAsync("z"));
    }

    [Fact]
    public async Task One_lost_answer_between_others_is_no_silence()
    {
        (_node.Store.Fault, _node.Store.HoldAcquire) = (LockStoreFault.Unanswered, new TaskCompletionSource());
        _node.Store.Acquire.Enqueue(Breakage.RequestLost);
        _node.Store.Acquire.Enqueue(Breakage.None);
        Task<TaskLease?> lost = TryAsync("x");
        TaskCompletionSource hold = _node.Store.HoldAcquire;
        _node.Store.HoldAcquire = null;
        _node.Time.Advance(TimeSpan.FromSeconds(1));
        await TryAsync("y");
        _node.Store.AcquireAlways = Breakage.Refused;
        hold.SetResult();
        await Assert.ThrowsAsync<TaskLockUnavailableException>(() => lost);

        _node.Store.AcquireAlways = Breakage.None;
        Assert.NotNull(await TryAsync("z"));
    }

    [Fact]
    public async Task A_renewal_that_is_answered_ends_the_silence()
    {
        await TryAsync("x");
        FallsSilent();
        await UnavailableAsync("y");
        _node.Time.Advance(TimeSpan.FromSeconds(1));
        await UnavailableAsync("y");
        int before = StoreCalls;

        _node.Store.AcquireAlways = Breakage.None;
        _node.Renewal.RenewAllNow();
        _node.Time.Advance(TimeSpan.FromMilliseconds(1));
        await Eventually.IsTrueAsync(() => Told.Last() == EventIds.AvailableAgain);
        Assert.NotNull(await TryAsync("y"));
        Assert.Equal(before + 1, StoreCalls);
    }

    [Fact]
    public async Task A_new_connection_gets_requests_at_once()
    {
        LockServer server = new("one", IsConnected: true);
        _node.Store.Server = _ => server;
        FallsSilent();
        await UnavailableAsync();
        server = server with { Losses = 1 };
        _node.Store.AcquireAlways = Breakage.None;
        Assert.NotNull(await TryAsync());
    }

    [Fact]
    public async Task A_silent_server_makes_no_lock_of_another_unavailable()
    {
        _node.Store.Server = name => new LockServer(name[..1], IsConnected: !name.StartsWith('c'), GoneFor: TimeSpan.FromSeconds(5));
        FallsSilent();
        await UnavailableAsync("a:1");
        _node.Store.AcquireAlways = Breakage.None;
        await UnavailableAsync("a:2");
        await UnavailableAsync("c:1");
        Assert.NotNull(await TryAsync("b:1"));
    }

    [Fact]
    public async Task Five_of_twenty_workers_wait_for_a_lost_connection_and_the_others_fail_at_once()
    {
        bool isConnected = false;
        _node.Store.Server = _ => new LockServer("one", isConnected);
        LockWorkers workers = new(20);
        Task<LockDecision>[] asking = [.. Enumerable.Range(0, 20).Select(i => DecideAsync($"lock:{i}", workers))];
        await Eventually.IsTrueAsync(() => asking.Count(one => one.IsCompleted) == 15);
        Assert.All(asking.Where(one => one.IsCompleted), one => Assert.IsType<LockDecision.Defer>(one.Result));
        Assert.Empty(_node.Store.Asked);

        isConnected = true;
        LockDecision[] decisions = await PassesAsync(Task.WhenAll(asking));
        Assert.Equal(5, decisions.OfType<LockDecision.Run>().Count());
    }

    [Fact]
    public async Task A_request_without_a_connection_fails_one_second_after_its_loss_and_a_later_one_at_once()
    {
        long goneAt = _node.Time.GetTimestamp();
        _node.Store.Server = _ => new LockServer("one", IsConnected: false, _node.Time.GetElapsedTime(goneAt));
        Task<TaskLease?> waiting = TryAsync();
        _node.Time.Advance(TimeSpan.FromSeconds(0.9));
        Assert.False(waiting.IsCompleted);
        await Assert.ThrowsAsync<TaskLockUnavailableException>(() => PassesAsync(waiting));

        _node.Time.Advance(TimeSpan.FromSeconds(1));
        LockDecision late = await DecideAsync("y", new LockWorkers(20)).WaitAsync(Eventually.DefaultTimeout);
        Assert.IsType<LockDecision.Defer>(late);
        Assert.Empty(_node.Store.Asked);
    }

    [Fact]
    public async Task An_execution_waits_two_seconds_for_an_answer_and_releases_what_may_have_been_granted()
    {
        await (await TryAsync("first"))!.DisposeAsync();
        _node.Store.HoldAcquire = new TaskCompletionSource();
        LockDecision decision = await PassesAsync(DecideAsync("x", new LockWorkers(20)));
        Assert.IsType<LockDecision.Defer>(decision);
        await Eventually.IsTrueAsync(() => _node.Store.Has($"release x {_node.Store.Asked.ElementAt(1).LeaseId}"));
        await Eventually.IsTrueAsync(async () => (await _node.ListAsync()).Count == 0);
    }

    [Fact]
    public async Task A_late_answer_ends_the_silence()
    {
        (_node.Store.HoldAcquire, _node.Store.ReleaseAlways) = (new TaskCompletionSource(), Breakage.RequestLost);
        await PassesAsync(DecideAsync("x", new LockWorkers(20)));
        await UnavailableAsync("y");
        _node.Store.HoldAcquire.SetResult();
        await Eventually.IsTrueAsync(() => Told.Last() == EventIds.AvailableAgain);
        Assert.NotNull(await TryAsync("y"));
    }

    [Fact]
    public async Task While_an_answer_is_late_only_a_quarter_of_the_workers_send_requests()
    {
        LockWorkers workers = new(20);
        await DecideAsync("first", workers);
        _node.Store.HoldAcquire = new TaskCompletionSource();
        List<Task<LockDecision>> asking = [DecideAsync("lock:0", workers)];
        _node.Time.Advance(TimeSpan.FromSeconds(1.1));
        asking.AddRange(Enumerable.Range(1, 19).Select(i => DecideAsync($"lock:{i}", workers)));
        await Eventually.IsTrueAsync(() => asking.Count(one => one.IsCompleted) == 15);
        Assert.Equal(6, StoreCalls);
        _node.Store.HoldAcquire.SetResult();
        Assert.Equal(5, (await Task.WhenAll(asking)).OfType<LockDecision.Run>().Count());
    }

    [Fact]
    public async Task A_run_that_ends_during_an_outage_frees_its_worker_at_once_and_its_lock_afterwards()
    {
        LockDecision.Run run = Assert.IsType<LockDecision.Run>(await DecideAsync("x", new LockWorkers(4)));
        LockServer server = new("one", IsConnected: false, TimeSpan.FromSeconds(5));
        _node.Store.Server = _ => server;
        (_node.Store.HoldRelease, TaskCompletionSource thaw) = (new TaskCompletionSource(), new TaskCompletionSource());
        thaw = _node.Store.HoldRelease;
        Assert.Null(await run.EndAsync(null, aborted: false).AsTask().WaitAsync(Eventually.DefaultTimeout));
        Assert.Single(await _node.ListAsync());
        thaw.SetResult();
        await Eventually.IsTrueAsync(async () => (await _node.ListAsync()).Count == 0);
    }

    [Fact]
    public async Task An_outage_is_logged_when_it_begins_and_when_it_ends_however_many_requests_fail()
    {
        FallsSilent();
        foreach (int i in Enumerable.Range(0, 30))
        {
            await UnavailableAsync($"lock:{i}");
            _node.Time.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.Equal([EventIds.Unavailable], Told);
        _node.Store.AcquireAlways = Breakage.None;
        _node.Time.Advance(TimeSpan.FromSeconds(2.1));
        await TryAsync("x");
        await TryAsync("y");
        Assert.Equal([EventIds.Unavailable, EventIds.AvailableAgain], Told);
        Assert.Contains("available again after 00:00:05.1000000; 30 requests", _node.Logged, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_renewal_does_not_end_an_outage_of_refusals_and_a_refused_lock_does_not_hide_a_lost_connection()
    {
        TaskLease held = (await TryAsync("held"))!;
        _node.Store.Fault = LockStoreFault.Refused;
        _node.Store.AcquireAlways = Breakage.Refused;
        await UnavailableAsync();
        _node.Time.Advance(TimeSpan.FromSeconds(10));
        await Eventually.IsTrueAsync(() => _node.Store.Has("renew 1") && !held.Held.IsRenewing);
        Assert.Equal([EventIds.Unavailable], Told);

        _node.Store.Fault = LockStoreFault.Disconnected;
        await UnavailableAsync();
        Assert.Equal([EventIds.Unavailable, EventIds.Unavailable], Told);
    }

    [Fact]
    public async Task A_server_that_refuses_one_lock_and_answers_for_another_does_not_fill_the_log()
    {
        _node.Store.Fault = LockStoreFault.Refused;
        for (int i = 0; i < 10; i++)
        {
            _node.Store.Acquire.Enqueue(Breakage.Refused);
            await UnavailableAsync("broken");
            await (await TryAsync("sound"))!.DisposeAsync();
            _node.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal([EventIds.Unavailable], Told);
        _node.Time.Advance(TimeSpan.FromSeconds(1.5));
        await TryAsync("sound");
        Assert.Equal([EventIds.Unavailable, EventIds.AvailableAgain], Told);
    }

    [Fact]
    public async Task The_end_of_an_outage_is_logged_when_the_connection_is_back_even_without_requests()
    {
        LockServer server = new("one", IsConnected: false, TimeSpan.FromSeconds(5));
        _node.Store.Server = _ => server;
        await UnavailableAsync();
        server = new LockServer("one", IsConnected: true);
        _node.Store.Tell(new LockNotification.Reconnected());
        Assert.Equal([EventIds.Unavailable, EventIds.AvailableAgain], Told);
    }

    [Fact]
    public async Task Waiters_learn_that_the_store_is_unavailable_and_nothing_is_sent_for_them()
    {
        using EngineUnderTest other = new(sharing: _node, node: "node-2");
        await TryAsync();
        Task<TaskLease> waiting = other.Locks.AcquireAsync("x").AsTask();
        await Eventually.IsTrueAsync(async () => (await _node.ListAsync()).Single().Waiters.Count == 1);
        int before = other.Store.Asked.Count;
        other.Store.Server = _ => new LockServer("one", IsConnected: false, TimeSpan.FromSeconds(5));
        _node.Time.Advance(TimeSpan.FromSeconds(6));
        await Assert.ThrowsAsync<TaskLockUnavailableException>(() => waiting.WaitAsync(Eventually.DefaultTimeout));
        Assert.Equal(before, other.Store.Asked.Count);
        Assert.DoesNotContain(other.Store.Calls, call => call.StartsWith("poll", StringComparison.Ordinal));
    }

    public void Dispose() => _node.Dispose();

    private void FallsSilent() =>
        (_node.Store.AcquireAlways, _node.Store.ReleaseAlways, _node.Store.Fault) = (Breakage.RequestLost, Breakage.RequestLost, LockStoreFault.Unanswered);

    private Task<TaskLease?> TryAsync(string name = "x") => _node.Locks.TryAcquireAsync(name, Short).AsTask();

    private async Task UnavailableAsync(string name = "x") =>
        await Assert.ThrowsAsync<TaskLockUnavailableException>(() => TryAsync(name).WaitAsync(Eventually.DefaultTimeout));

    private Task<LockDecision> DecideAsync(string name, LockWorkers workers) =>
        _node.Engine.DecideAsync(_node.Execution(new TaskLockAttribute(name)) with { Workers = workers }, CancellationToken.None).AsTask();

    /// <summary>Lets time pass until the request is over.</summary>
    private async Task<T> PassesAsync<T>(Task<T> task)
    {
        await Eventually.IsTrueAsync(() =>
        {
            _node.Time.Advance(TimeSpan.FromMilliseconds(100));
            return task.IsCompleted;
        });
        return await task;
    }
}
