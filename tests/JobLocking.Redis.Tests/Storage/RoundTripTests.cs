using System.Globalization;
using JobLocking.Redis.Storage;
using JobLocking.Stores;
using JobLocking.TestKit;
using JobLocking.TestKit.Contract;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>What the store costs, as the server counts it.</summary>
public sealed class RoundTripTests : OwnServerTests
{
    [Fact]
    public async Task Each_call_is_one_command()
    {
        LockOccurrence occurrence = new("job", DateTimeOffset.UnixEpoch, IsRetry: false);
        AcquireRequest warmUp = await GrantedAsync(occurrence);
        await RenewedAsync(warmUp);
        await ReleasedAsync(warmUp);

        AcquireRequest lease = LockRequests.Acquire(Name + ":2", occurrence: occurrence);
        await AssertCommandsAsync(1, async () => Assert.Equal(AcquireOutcome.Granted, (await AskAsync(lease)).Outcome));
        await AssertCommandsAsync(1, async () => Assert.Equal(AcquireOutcome.Contended, (await AskAsync(LockRequests.Acquire(Name + ":2"))).Outcome));
        await AssertCommandsAsync(1, async () => Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease)));
        await AssertCommandsAsync(1, async () => Assert.Equal(ReleaseOutcome.Released,
            await ReleasedAsync(lease, TimeSpan.FromMinutes(1), new OccurrenceEnd(occurrence, lease.Holder, OccurrenceOutcome.Succeeded, TimeSpan.FromMinutes(1)))));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Whether_the_holder_answers_is_asked_in_the_same_command_and_only_of_the_same_job_in_another_process(int limit)
    {
        await using RedisLockStore other = CreateStore(Server.ConnectionString);
        await using Notifications notifications = await Notifications.OfAsync(other);
        await WarmUpAsync(limit);
        AcquireRequest mine = Shared(limit) with { AsksWhetherHolderAnswers = true };
        mine = mine with { Holder = mine.Holder with { Identity = "mY3-qk5eR_0aBcDeFgHiJk" } };
        AcquireRequest[] theirs = [.. Enumerable.Range(0, limit).Select(_ => mine with { LeaseId = LockRequests.LeaseId() })];
        foreach (AcquireRequest lease in theirs)
        {
            await other.AcquireAsync(lease, Cancellation);
        }

        await AssertCommandsAsync(1, async () => Assert.False((await AskAsync(mine)).HolderIsGone), publishes: 1);
        await AssertCommandsAsync(1, () => AskAsync(mine with { Holder = mine.Holder with { Identity = null } }));
        await AssertCommandsAsync(1, () => AskAsync(mine with { Holder = mine.Holder with { Identity = "another-job-cDeFgHiJkl" } }));
        await AssertCommandsAsync(1, () => AskAsync(mine with { AsksWhetherHolderAnswers = false }));

        foreach (AcquireRequest lease in theirs)
        {
            await other.ReleaseAsync(LockRequests.Release(lease), Cancellation);
        }

        for (int i = 0; i < limit; i++)
        {
            await AssertCommandsAsync(1, async () => await GrantedAsync(mine with { LeaseId = LockRequests.LeaseId() }));
        }

        await AssertCommandsAsync(1, () => AskAsync(mine));
    }

    [Fact]
    public async Task A_hundred_leases_are_renewed_by_one_command()
    {
        AcquireRequest[] leases = [.. Enumerable.Range(0, 250).Select(i => LockRequests.Acquire($"{Name}:{i}"))];
        await Task.WhenAll(leases.Select(AskAsync));
        await RenewedAsync(leases[0]);

        RenewOutcome[] outcomes = new RenewOutcome[leases.Length];
        await AssertCommandsAsync(3, async () => await Store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease)).ToArray(), outcomes, Cancellation));

        Assert.All(outcomes, outcome => Assert.Equal(RenewOutcome.Renewed, outcome));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task The_queue_costs_no_further_command(int limit)
    {
        await using Notifications notifications = await Notifications.OfAsync(Store);
        await WarmUpAsync(limit);
        AcquireRequest[] leases = [.. Enumerable.Range(0, limit).Select(_ => Shared(limit))];
        foreach (AcquireRequest lease in leases)
        {
            await AssertCommandsAsync(1, async () => await GrantedAsync(lease));
        }

        AcquireRequest queued = WaiterRequest(limit);
        await AssertCommandsAsync(1, async () => queued = await QueuedAsync(queued));
        await AssertCommandsAsync(1, async () => await QueuedAsync(queued));
        await AssertCommandsAsync(1, async () => Assert.False((await PolledAsync(queued)).IsFree));
        await AssertCommandsAsync(1, async () => Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(leases[0])));
        await AssertCommandsAsync(1, async () => Assert.Equal(AcquireOutcome.Contended, (await AskAsync(Shared(limit))).Outcome));
        await AssertCommandsAsync(1, async () => Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(leases[0])), publishes: 1);
        await notifications.WakeUpAsync(queued);
        await AssertCommandsAsync(1, async () => Assert.True((await PolledAsync(queued)).IsFree));
        await AssertCommandsAsync(1, async () => await GrantedAsync(queued));
        await AssertCommandsAsync(1, async () => Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(queued)));
        await AssertCommandsAsync(1, async () => await LeavesAsync(queued));
        await AssertCommandsAsync(1, async () => await Store.DeclineAsync(new DeclineRequest(Name), Cancellation));
    }

    [Fact]
    public async Task A_hundred_leases_of_locks_with_a_limit_are_renewed_by_one_command()
    {
        AcquireRequest[] leases = [.. Enumerable.Range(0, 150).Select(i => LockRequests.Acquire($"{Name}:{i % 50}") with { Limit = 3 })];
        await Task.WhenAll(leases.Select(AskAsync));
        await RenewedAsync(leases[0]);

        RenewOutcome[] outcomes = new RenewOutcome[leases.Length];
        await AssertCommandsAsync(2, async () => await Store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease)).ToArray(), outcomes, Cancellation));

        Assert.All(outcomes, outcome => Assert.Equal(RenewOutcome.Renewed, outcome));
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public async Task An_acquire_with_another_limit_than_the_holders_takes_two_commands_at_most(int holds, int asks)
    {
        await WarmUpAsync(1);
        await WarmUpAsync(2);
        await GrantedAsync(Shared(holds));

        await AssertCommandsAsync(holds, async () => await QueuedAsync(WaiterRequest(asks)));
    }

    [Fact]
    public async Task An_acquire_with_limit_1_of_a_lock_with_expired_holders_takes_two_commands_at_most()
    {
        await WarmUpAsync(1);
        await WarmUpAsync(2);
        AcquireRequest dead = await GrantedAsync(Shared(2));
        await Redis.SortedSetAddAsync(LockKey, dead.LeaseId, 1);

        AcquireRequest lease = Shared(1);
        await AssertCommandsAsync(2, async () => await GrantedAsync(lease));

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
        Assert.False(await Redis.KeyExistsAsync(HoldersKey));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(500)]
    public async Task The_cost_of_a_call_within_the_server_does_not_grow_with_holders_and_waiters(int crowd)
    {
        int limit = crowd + 1;
        await WarmUpAsync(limit);
        AcquireRequest[] holders = [.. Enumerable.Range(0, crowd).Select(_ => Shared(limit))];
        foreach (AcquireRequest[] some in holders.Chunk(50))
        {
            await Task.WhenAll(some.Select(GrantedAsync));
        }

        await GrantedAsync(Shared(limit));
        foreach (int[] some in Enumerable.Range(0, crowd).Chunk(50))
        {
            await Task.WhenAll(some.Select(_ => QueuedAsync(WaiterRequest(limit))));
        }

        AcquireRequest queued = await QueuedAsync(WaiterRequest(limit));

        Assert.InRange(await CallsWithinAsync(() => AskAsync(Shared(limit))), 1, 20);
        Assert.InRange(await CallsWithinAsync(() => QueuedAsync(WaiterRequest(limit))), 1, 35);
        Assert.InRange(await CallsWithinAsync(() => RenewedAsync(holders[3])), 1, 20);
        Assert.InRange(await CallsWithinAsync(() => PolledAsync(queued)), 1, 30);
        Assert.InRange(await CallsWithinAsync(() => LeavesAsync(queued)), 1, 30);
        Assert.InRange(await CallsWithinAsync(() => Store.DeclineAsync(new DeclineRequest(Name), Cancellation).AsTask()), 1, 30);
        await using Notifications notifications = await Notifications.OfAsync(Store);
        Assert.InRange(await CallsWithinAsync(() => ReleasedAsync(holders[3])), 1, 40);
        Assert.InRange(await CallsWithinAsync(() => GrantedAsync(Shared(limit))), 1, 40);
    }

    [Fact]
    public async Task A_lock_without_a_queue_takes_few_steps_within_the_server()
    {
        await WarmUpAsync(1);
        AcquireRequest lease = Shared(1);

        Assert.Equal(["exists", "mget", "mget", "pttl", "set", "set", "time"], await StepsAsync(async () =>
        {
            await GrantedAsync(lease);
            await AskAsync(Shared(1));
        }));
        Assert.Equal(["del", "get", "zrange"], await StepsAsync(() => ReleasedAsync(lease)));
    }

    [Fact]
    public async Task A_contended_lock_mints_no_token()
    {
        await GrantedAsync();
        await ServerCommandAsync("CONFIG", "RESETSTAT");

        await AskAsync(LockRequests.Acquire(Name));

        Dictionary<string, long> calls = await CallsAsync();
        Assert.False(calls.ContainsKey("time"));
        Assert.False(calls.ContainsKey("set"));
    }

    // Loads the scripts, and makes the store ask for the channel prefix.
    private async Task WarmUpAsync(int limit)
    {
        AcquireRequest lease = await GrantedAsync(Shared(limit));
        await RenewedAsync(lease);
        await PolledAsync(WaiterRequest(limit));
        await ReleasedAsync(lease);
        await LeavesAsync(WaiterRequest(limit));
        await Store.DeclineAsync(new DeclineRequest(Name), Cancellation);
    }

    private async Task AssertCommandsAsync(long expected, Func<Task> ask, long publishes = 0)
    {
        await ServerCommandAsync("CONFIG", "RESETSTAT");

        await ask();

        Dictionary<string, long> calls = await CallsAsync();
        Assert.Equal((expected, publishes), (calls.GetValueOrDefault("evalsha"), calls.GetValueOrDefault("publish")));
        Assert.DoesNotContain(calls.Keys, command => command is "eval" or "script|load");
    }

    private async Task<int> CallsWithinAsync(Func<Task> ask) => (await StepsAsync(ask)).Length;

    /// <summary>The commands that the server executes within the scripts, by name.</summary>
    private async Task<string[]> StepsAsync(Func<Task> ask)
    {
        await ServerCommandAsync("CONFIG", "RESETSTAT");

        await ask();

        return
        [
            .. (await CallsAsync())
                .Where(call => call.Key is not ("evalsha" or "config|resetstat" or "info"))
                .SelectMany(call => Enumerable.Repeat(call.Key, (int)call.Value))
                .Order(StringComparer.Ordinal),
        ];
    }

    private async Task<Dictionary<string, long>> CallsAsync()
    {
        string stats = (string)(await ServerCommandAsync("INFO", "commandstats"))!;
        return stats.Split('\n')
            .Where(line => line.StartsWith("cmdstat_", StringComparison.Ordinal))
            .Select(line => line["cmdstat_".Length..].Split(":calls=", 2))
            .ToDictionary(parts => parts[0], parts => long.Parse(parts[1].Split(',')[0], CultureInfo.InvariantCulture));
    }

    private Task<RedisResult> ServerCommandAsync(params object[] command) => Redis.ExecuteAsync((string)command[0], [.. command[1..]]);
}
