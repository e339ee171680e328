using System.Globalization;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Storage;

/// <summary>What the store costs, as the server counts it.</summary>
public sealed class RoundTripTests : OwnServerTests
{
    [Fact]
    public async Task Each_question_is_one_command()
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

    private async Task AssertCommandsAsync(long expected, Func<Task> ask)
    {
        await ServerCommandAsync("CONFIG", "RESETSTAT");

        await ask();

        Dictionary<string, long> calls = await CallsAsync();
        Assert.Equal(expected, calls.GetValueOrDefault("evalsha"));
        Assert.DoesNotContain(calls.Keys, command => command is "eval" or "script|load");
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
