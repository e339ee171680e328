using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    /// <summary>Names that a store might misinterpret: its own syntax, its wildcards, the end of a string.</summary>
    public static TheoryData<string> HostileNames =>
    [
        " ",
        "with space and 'quotes' \"too\"",
        "line\r\nbreak",
        "nul\0inside",
        "Büro-日本-🔒",
        "glob*?[a-z]\\*",
        "percent%7Bescaped%7D",
        "kept:1::",
        ":fence",
        "@job/time",
        "process:1",
        new string('x', 512),
        new string('ß', 256),
    ];

    [Fact]
    public async Task A_free_lock_is_granted_with_a_token()
    {
        AcquireResult result = await Store.AcquireAsync(Request(Name), Cancellation);

        Assert.Equal(AcquireOutcome.Granted, result.Outcome);
        Assert.True(result.FencingToken > 0);
    }

    [Fact]
    public async Task A_holder_is_named_with_its_identity_while_it_holds_and_while_the_lock_is_kept()
    {
        LockHolder holder = Holder() with { Identity = "mY3-qk5eR_0aBcDeFgHiJk" };
        (AcquireRequest lease, _) = await GrantedAsync(Request(Name) with { Holder = holder });
        Assert.Equal(holder, (await AskedByAnotherAsync(Name)).Holder);

        await ReleasedAsync(lease, keepFor: AMinute);

        Assert.Equal(holder, (await AskedByAnotherAsync(Name)).Holder);
    }

    [Fact]
    public async Task A_held_lock_is_contended_and_names_its_holder_and_the_time_left()
    {
        await GrantedAsync();

        AcquireResult result = await AskedByAnotherAsync(Name);

        Assert.Equal(AcquireOutcome.Contended, result.Outcome);
        Assert.Equal(0, result.FencingToken);
        Assert.Equal(Holder(), result.Holder);
        Assert.False(result.IsKept);
        AssertTimeLeft(result.TimeLeft, TimeSpan.Zero, AMinute);
    }

    [Fact]
    public async Task A_holder_without_job_and_execution_comes_back_as_it_is()
    {
        LockHolder byHand = new("app \"x\":{}", "nöde\n", "code", null, null, new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));
        await GrantedAsync(Request(Name) with { Holder = byHand });

        Assert.Equal(byHand, (await AskedByAnotherAsync(Name)).Holder);
    }

    [Fact]
    public async Task The_same_lease_is_granted_again_with_its_token_and_a_full_expiry()
    {
        (AcquireRequest lease, long token) = await GrantedAsync(TimeSpan.FromSeconds(20));

        AcquireResult again = await Store.AcquireAsync(lease with { Expiry = AMinute }, Cancellation);

        Assert.Equal(AcquireOutcome.Granted, again.Outcome);
        Assert.Equal(token, again.FencingToken);
        AssertTimeLeft((await AskedByAnotherAsync(Name)).TimeLeft, TimeSpan.FromSeconds(20), AMinute);
    }

    [Fact]
    public async Task A_lease_that_has_expired_makes_room()
    {
        (_, long token) = await GrantedAsync(AMoment);
        await PassAsync(AMoment);

        AcquireResult next = await GrantedInTheEndAsync(Request(Name));

        Assert.True(next.FencingToken > token);
    }

    [Fact]
    public async Task Tokens_only_grow()
    {
        List<long> tokens = [];
        for (int i = 0; i < 5; i++)
        {
            (AcquireRequest released, long token) = await GrantedAsync();
            tokens.Add(token);
            await ReleasedAsync(released);

            (_, token) = await GrantedAsync();
            tokens.Add(token);
            await Store.BreakAsync(Name, token, Cancellation);
        }

        Assert.Equal(tokens.Distinct().Order(), tokens);
    }

    [Fact]
    public async Task Locks_of_different_names_do_not_touch_each_other()
    {
        (AcquireRequest lease, _) = await GrantedAsync(Request(Name + "a"));

        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name + "b")).Outcome);
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name)).Outcome);
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(Name + "b")).Outcome);
    }

    [Fact]
    public async Task One_of_many_simultaneous_acquires_is_granted()
    {
        for (int round = 0; round < 20; round++)
        {
            string name = $"{Name}:{round}";
            AcquireResult[] results = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(
                async () => await (i % 2 == 0 ? Store : Other).AcquireAsync(Request(name), Cancellation), Cancellation)));

            Assert.Single(results, result => result.Outcome == AcquireOutcome.Granted);
            Assert.Equal(19, results.Count(result => result.Outcome == AcquireOutcome.Contended && result.Holder == Holder()));
        }
    }

    [Theory]
    [MemberData(nameof(HostileNames))]
    public async Task A_hostile_name_is_a_name_like_any_other(string hostile)
    {
        // Not unique: a name of full length has no room for that. The test that held it before has released it.
        (AcquireRequest lease, long token) = await GrantedAsync(Request(hostile));

        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(hostile)).Outcome);
        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease));
        HeldLock listed = Assert.Single(await ListedAsync(hostile));
        Assert.Equal((hostile, token), (listed.Name, listed.FencingToken));
        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease));
        Assert.Empty(await ListedAsync(hostile));
    }

    [Fact]
    public async Task Hostile_names_do_not_collide()
    {
        string[] endings = ["", "\0", "\n", " ", "*", ":fence", "@job", "%7D"];
        foreach (string ending in endings)
        {
            Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name + ending)).Outcome);
        }

        Assert.Equal(endings.Length, (await ListedAsync(Name)).Count);
    }

    [Fact]
    public async Task A_cancelled_acquire_takes_nothing()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Store.AcquireAsync(Request(Name), new CancellationToken(canceled: true)));

        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name)).Outcome);
    }
}
