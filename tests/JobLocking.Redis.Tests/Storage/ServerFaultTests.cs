using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using JobLocking.TestKit.Contract;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>Faults of the server, and how the store handles them.</summary>
public sealed class ServerFaultTests() : OwnServerTests("--busy-reply-threshold", "20")
{
    [Fact]
    public async Task Scripts_that_the_server_has_forgotten_are_loaded_again()
    {
        await ReleasedAsync(await GrantedAsync());

        await FlushScriptsAsync();
        AcquireRequest lease = await GrantedAsync();
        await FlushScriptsAsync();
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        await FlushScriptsAsync();
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
    }

    [Fact]
    public async Task A_release_is_not_lost_although_the_server_has_just_forgotten_its_script()
    {
        // The client believes that the server has the script until an error says otherwise, for this script or another.
        await ReleasedAsync(await GrantedAsync());
        AcquireRequest lease = await GrantedAsync();

        await FlushScriptsAsync();
        await ReleasedAsync(lease);

        Assert.False(await Redis.KeyExistsAsync(LockKey));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Scripts_of_the_queue_that_the_server_has_forgotten_are_loaded_again(int limit)
    {
        await using Notifications notifications = await Notifications.OfAsync(Store);
        AcquireRequest[] leases = [.. Enumerable.Range(0, limit).Select(_ => Shared(limit))];
        await Task.WhenAll(leases.Select(GrantedAsync));
        await FlushScriptsAsync();
        AcquireRequest queued = await QueuedAsync(WaiterRequest(limit));
        await FlushScriptsAsync();
        Assert.False((await PolledAsync(queued)).IsFree);
        await FlushScriptsAsync();
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(leases[0]));
        await FlushScriptsAsync();
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(leases[0]));
        await notifications.WakeUpAsync(queued);
    }

    [Fact]
    public async Task A_lease_that_a_restart_has_wiped_out_is_missing_and_the_lock_can_be_taken_again()
    {
        AcquireRequest lease = LockRequests.Acquire(Name);
        long token = (await AskAsync(lease)).FencingToken;

        await Server.RestartAsync();

        Assert.Equal(RenewOutcome.Missing, await Eventually.SeesAsync(() => RenewedAsync(lease), outcome => outcome != RenewOutcome.Transient));
        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(lease));
        Assert.True((await AskAsync(LockRequests.Acquire(Name))).FencingToken > token);
    }

    [Fact]
    public async Task A_frozen_server_gives_no_answer_and_the_lease_may_have_been_granted()
    {
        await ReleasedAsync(await GrantedAsync());
        AcquireRequest lease = LockRequests.Acquire(Name);

        Server.Pause();
        LockStoreException error = await RefusedAsync(lease);
        Server.Resume();

        Assert.True(error.MayHaveBeenApplied);
        AcquireResult again = await Eventually.SeesAsync(() => AskAsync(lease), result => result.Outcome == AcquireOutcome.Granted);
        Assert.True(again.FencingToken > 0);
        Assert.Equal(AcquireOutcome.Contended, (await AskAsync(LockRequests.Acquire(Name))).Outcome);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
    }

    [Fact]
    public async Task A_cancelled_call_does_not_wait_for_a_frozen_server()
    {
        await using RedisLockStore patient = CreateStore($"{Server.ConnectionString},asyncTimeout=60000");
        await patient.CheckAsync(Cancellation);
        using CancellationTokenSource impatience = new();

        Server.Pause();
        Task<AcquireResult> asked = patient.AcquireAsync(LockRequests.Acquire(Name), impatience.Token).AsTask();
        await impatience.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        Server.Resume();
    }

    [Fact]
    public async Task At_maxmemory_leases_are_renewed_and_released_and_acquiring_fails_clearly()
    {
        LockOccurrence occurrence = new("job", DateTimeOffset.UnixEpoch, IsRetry: false);
        OccurrenceEnd done = new(occurrence, LockRequests.Holder(), OccurrenceOutcome.Succeeded, TimeSpan.FromMinutes(1));
        AcquireRequest kept = await GrantedAsync(occurrence);
        AcquireRequest freed = await GrantedAsync(occurrence, Name + ":2");
        AcquireRequest lost = await GrantedAsync(occurrence, Name + ":3");
        await Redis.KeyDeleteAsync([LockKey + ":3", $"{{{LockKey}:3}}@//job//1970-01-01T00:00:00.0000000Z"]);
        await FillMemoryAsync();

        LockStoreException error = await RefusedAsync(LockRequests.Acquire(Name + ":new"));
        Assert.False(error.MayHaveBeenApplied);
        Assert.Contains("Fix: raise maxmemory", error.Message, StringComparison.Ordinal);
        Assert.False(await Redis.KeyExistsAsync(LockKey + ":new"));

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(kept));
        Assert.Equal(AcquireOutcome.Granted, (await AskAsync(kept)).Outcome);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(kept, TimeSpan.FromMinutes(1), done));
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(freed, end: done));
        Assert.Equal(ReleaseOutcome.Missing, await ReleasedAsync(lost, end: done));
        foreach (string name in new[] { Name, Name + ":2", Name + ":3" })
        {
            Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskAsync(LockRequests.Acquire(name, occurrence: occurrence))).Outcome);
        }
    }

    [Fact]
    public async Task At_maxmemory_leases_of_a_lock_with_a_limit_are_renewed_and_released_and_acquiring_fails_clearly()
    {
        AcquireRequest kept = await GrantedAsync(Shared(3, TimeSpan.FromSeconds(30)));
        AcquireRequest freed = await GrantedAsync(Shared(3, TimeSpan.FromSeconds(30)));
        await FillMemoryAsync();

        LockStoreException error = await RefusedAsync(Shared(3));
        Assert.False(error.MayHaveBeenApplied);
        Assert.Contains("Fix: raise maxmemory", error.Message, StringComparison.Ordinal);
        Assert.Equal((2, 2, 2), (await Redis.SortedSetLengthAsync(LockKey), await Redis.HashLengthAsync(HoldersKey), await Redis.SortedSetLengthAsync(LimitsKey)));

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(kept));
        Assert.Equal(AcquireOutcome.Granted, (await AskAsync(kept)).Outcome);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(freed));
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(kept, keepFor: TimeSpan.FromMinutes(1)));
        HeldLock held = Assert.Single(await Store.ListAsync(Name, Cancellation).ToListAsync(Cancellation));
        Assert.True(held.IsKept);
        Assert.InRange(held.TimeLeft!.Value, TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task At_maxmemory_waiters_keep_their_positions_and_are_woken_and_no_other_is_queued(int limit)
    {
        await using Notifications notifications = await Notifications.OfAsync(Store);
        AcquireRequest[] leases = [.. Enumerable.Range(0, limit).Select(_ => Shared(limit))];
        await Task.WhenAll(leases.Select(GrantedAsync));
        AcquireRequest queued = await QueuedAsync(WaiterRequest(limit));
        await FillMemoryAsync();

        AcquireResult late = await AskAsync(WaiterRequest(limit));
        Assert.Equal((AcquireOutcome.Contended, 0, leases[0].Holder), (late.Outcome, late.QueuedSince, late.Holder));
        Assert.Equal(queued.Waiter!.Since, (await AskAsync(queued)).QueuedSince);
        Assert.Equal(queued.Waiter!.Since, (await PolledAsync(queued)).QueuedSince);

        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(leases[0]));
        await notifications.WakeUpAsync(queued);
    }

    [Fact]
    public async Task Without_the_right_to_publish_locks_are_released_and_the_queue_is_kept()
    {
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", "-publish");
        await using RedisLockStore worker = CreateStore($"{Server.ConnectionString},user=worker,password=secret");
        AcquireRequest lease = LockRequests.Acquire(Name);
        await worker.AcquireAsync(lease, Cancellation);
        AcquireRequest[] queued = [await QueuedAsync(WaiterRequest()), await QueuedAsync(WaiterRequest()), await QueuedAsync(WaiterRequest())];

        Assert.Equal(ReleaseOutcome.Released, await worker.ReleaseAsync(LockRequests.Release(lease), Cancellation));

        Assert.False(await Redis.KeyExistsAsync(LockKey));
        Assert.Equal(2, await Redis.SortedSetLengthAsync(QueueKey));
        Assert.True((await PolledAsync(queued[0])).IsFree);
    }

    [Fact]
    public async Task Missing_rights_make_no_renewal_of_a_lock_with_a_limit_fail_for_good()
    {
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all");
        await using RedisLockStore worker = CreateStore($"{Server.ConnectionString},user=worker,password=secret");
        AcquireRequest lease = Shared(2);
        await worker.AcquireAsync(lease, Cancellation);
        RenewOutcome[] outcomes = new RenewOutcome[1];
        foreach (string command in new[] { "pexpireat", "zadd", "zscore", "hget", "type" })
        {
            await Redis.ExecuteAsync("ACL", "SETUSER", "worker", $"-{command}");
            await worker.RenewAsync(new[] { LockRequests.Renew(lease, TimeSpan.FromMinutes(2)) }, outcomes, Cancellation);
            Assert.Equal(RenewOutcome.Transient, outcomes[0]);
            await Redis.ExecuteAsync("ACL", "SETUSER", "worker", $"+{command}");
        }

        await worker.RenewAsync(new[] { LockRequests.Renew(lease, TimeSpan.FromMinutes(2)) }, outcomes, Cancellation);
        Assert.Equal(RenewOutcome.Renewed, outcomes[0]);
    }

    [Theory]
    [InlineData("hset", 2, true)]
    [InlineData("zadd", 2, true)]
    [InlineData("pexpireat", 2, true)]
    [InlineData("set", 2, true)]
    [InlineData("set", 1, true)]
    [InlineData("hset", 1, false)]
    [InlineData("zadd", 1, false)]
    [InlineData("pexpire", 1, false)]
    public async Task Missing_rights_leave_nothing_behind_for_ever(string command, int limit, bool isRefused)
    {
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", $"-{command}");
        await using RedisLockStore worker = CreateStore($"{Server.ConnectionString},user=worker,password=secret");

        if (isRefused)
        {
            await Assert.ThrowsAsync<LockStoreException>(async () => await worker.AcquireAsync(Shared(limit), Cancellation));
            Assert.False(await Redis.KeyExistsAsync(LockKey));
        }
        else
        {
            Assert.Equal(AcquireOutcome.Granted, (await worker.AcquireAsync(Shared(limit), Cancellation)).Outcome);
            AcquireResult refused = await worker.AcquireAsync(WaiterRequest(limit), Cancellation);
            Assert.Equal((AcquireOutcome.Contended, 0), (refused.Outcome, refused.QueuedSince));
            await QueuedAsync(WaiterRequest(limit));
        }

        foreach (string key in new[] { LockKey, HoldersKey, LimitsKey, QueueKey, WaitersKey })
        {
            Assert.NotEqual(-1, (long)await Redis.ExecuteAsync("PTTL", key));
        }
    }

    [Fact]
    public async Task A_server_that_is_busy_with_a_script_refuses_and_has_applied_nothing()
    {
        AcquireRequest lease = await GrantedAsync();
        await using ConnectionMultiplexer killer = await ConnectionMultiplexer.ConnectAsync(Server.ConnectionString);
        Task<RedisResult> hog = Redis.ScriptEvaluateAsync("while true do end");

        LockStoreException error = await Eventually.SeesAsync(
            async () => await Record.ExceptionAsync(async () => await AskAsync(LockRequests.Acquire(Name))) as LockStoreException,
            thrown => thrown?.Message.Contains("BUSY", StringComparison.Ordinal) == true) ?? throw new InvalidOperationException();

        Assert.False(error.MayHaveBeenApplied);
        await killer.GetServer(Server.Endpoint).ExecuteAsync("SCRIPT", "KILL");
        await Assert.ThrowsAnyAsync<Exception>(() => hog);
        Assert.Equal(RenewOutcome.Renewed, await Eventually.SeesAsync(() => RenewedAsync(lease), outcome => outcome != RenewOutcome.Transient));
    }

    [Fact]
    public async Task Missing_rights_make_no_renewal_fail_for_good()
    {
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all");
        await using RedisLockStore worker = CreateStore($"{Server.ConnectionString},user=worker,password=secret");
        AcquireRequest lease = LockRequests.Acquire(Name);
        await worker.AcquireAsync(lease, Cancellation);
        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "-pexpire", "-set");

        RenewOutcome[] outcomes = new RenewOutcome[1];
        await worker.RenewAsync(new[] { LockRequests.Renew(lease, TimeSpan.FromMinutes(2)) }, outcomes, Cancellation);
        Assert.Equal(RenewOutcome.Transient, outcomes[0]);

        LockStoreException error = await Assert.ThrowsAsync<LockStoreException>(
            async () => await worker.AcquireAsync(LockRequests.Acquire(Name + ":2"), Cancellation));
        Assert.True(error.MayHaveBeenApplied);

        await Redis.ExecuteAsync("ACL", "SETUSER", "worker", "+@all");
        await worker.RenewAsync(new[] { LockRequests.Renew(lease, TimeSpan.FromMinutes(2)) }, outcomes, Cancellation);
        Assert.Equal(RenewOutcome.Renewed, outcomes[0]);
    }

    private async Task FillMemoryAsync()
    {
        await Redis.ExecuteAsync("CONFIG", "SET", "maxmemory-policy", "noeviction");
        await Redis.ExecuteAsync("CONFIG", "SET", "maxmemory", "1");
    }

    private async Task FlushScriptsAsync() => await Redis.ExecuteAsync("SCRIPT", "FLUSH");
}
