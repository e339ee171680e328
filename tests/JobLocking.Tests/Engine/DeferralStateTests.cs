using JobLocking.Engine;
using JobLocking.Policy;
using Xunit;

namespace JobLocking.Tests.Engine;

/// <summary>The text in which a scheduler stores a deferral for the engine.</summary>
public sealed class DeferralStateTests
{
    private static readonly DateTimeOffset First = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.FromHours(2));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_state_is_the_same_after_it_was_stored_as_text(bool standsBy)
    {
        DeferralState state = new(3, 1, First, "1764530000000000:Zx-9_aB3", standsBy, First.AddHours(1));

        DeferralState? stored = DeferralState.Parse(state.ToString());

        Assert.Equal(state, stored);
        Assert.Equal((3, First, standsBy, First.AddHours(1)), (stored!.Deferrals, stored.FirstDeferredAt, stored.StandsBy, stored.AskedAt));
    }

    [Fact]
    public void A_state_that_has_only_stood_by_has_no_first_deferral()
    {
        DeferralState state = new(0, 1, null, "1:abc", standsBy: true, First);

        Assert.Equal(state, DeferralState.Parse(state.ToString()));
    }

    [Fact]
    public void A_wake_up_keeps_everything_except_the_count_that_lengthens_the_delay()
    {
        DeferralState state = new(3, 3, First, "1:abc", false, null);

        Assert.Equal(new DeferralState(3, 0, First, "1:abc", false, null), state.Woken());
    }

    [Fact]
    public void Each_deferral_of_an_execution_has_a_different_text()
    {
        DeferralState state = new(3, 1, First, "1:abc", false, null);

        Assert.NotEqual(state.ToString(), new DeferralState(4, 1, First, "1:abc", false, null).ToString());
        Assert.NotEqual(state.ToString(), new DeferralState(3, 1, First, "1:abd", false, null).ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("not one of ours")]
    [InlineData("0:abc")]
    [InlineData("1;1;1;0")]
    [InlineData("1;1;1;0;")]
    [InlineData("1;1;1;0;1:abc;more")]
    [InlineData("1;1;1;0;1:abc;0;more")]
    [InlineData("1;1;1;0;1:abc;0;standby;more")]
    [InlineData("1;1;1;0;1:abc;-1")]
    [InlineData("3;1;1;0;1:abc")]
    [InlineData("1;-1;1;0;1:abc")]
    [InlineData("1;1;99999999999;0;1:abc")]
    [InlineData("1;1;1;9223372036854775807;1:abc")]
    [InlineData("1;1;1;-1;1:abc")]
    public void Foreign_text_is_no_state_and_throws_nothing(string? text) => Assert.Null(DeferralState.Parse(text));

    [Fact]
    public void A_text_that_is_longer_than_any_of_ours_is_not_read() =>
        Assert.Null(DeferralState.Parse($"1;1;1;0;1:{new string('a', 500)}"));

    [Theory]
    [InlineData("1;2147483647;2147483647;0;1:abc", 0)]
    [InlineData("1;0;0;0;no waiter", 0)]
    [InlineData("1;1;1;3155378975999999999;1:abc", 60)]
    public async Task A_forged_state_does_not_make_a_decision_fail(string text, int giveUpAfter)
    {
        using EngineUnderTest node = new();
        await using TaskLease? held = await node.Locks.TryAcquireAsync("x");
        TaskLockAttribute taskLock = new("x") { GiveUpAfter = giveUpAfter };
        LockExecution execution = node.Execution(taskLock, ExecutionOrigin.Deferred, deferral: DeferralState.Parse(text));

        LockDecision.Defer defer = await node.DecideAsync<LockDecision.Defer>(execution);

        Assert.Equal(defer.State, DeferralState.Parse(defer.State.ToString()));
    }
}
