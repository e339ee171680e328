using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <content>What a store says about the processes of the holders, to an execution of the same job that asks for it.</content>
public abstract partial class LockStoreContract
{
    private const string SameJob = "mY3-qk5eR_0aBcDeFgHiJk";

    private AcquireRequest OfJob(int limit, string? identity = SameJob) =>
        Request(Name) with { Limit = limit, Holder = Holder() with { Identity = identity } };

    /// <summary>The answer to this process, which asks whether the holders answer.</summary>
    private async Task<AcquireResult> AskedForHolderAsync(int limit, string? identity = SameJob, WaiterEntry? waiter = null)
    {
        AcquireRequest asks = OfJob(limit, identity) with { AsksWhetherHolderAnswers = true, Waiter = waiter };
        AcquireResult result = await Store.AcquireAsync(asks, Cancellation);
        Assert.Equal(AcquireOutcome.Contended, result.Outcome);
        return result;
    }

    private async Task<AcquireRequest> HeldAsync(ILockStore process, int limit, string? identity = SameJob)
    {
        AcquireRequest lease = OfJob(limit, identity);
        Assert.Equal(AcquireOutcome.Granted, (await process.AcquireAsync(lease, Cancellation)).Outcome);
        return lease;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_holder_is_gone_while_its_process_does_not_listen(int limit)
    {
        for (int i = 0; i < limit; i++)
        {
            await HeldAsync(Other, limit);
        }

        Assert.Equal(CountsListeners, (await AskedForHolderAsync(limit)).HolderIsGone);
        await using (await Notifications.OfAsync(Other))
        {
            Assert.False((await AskedForHolderAsync(limit)).HolderIsGone);
        }

        Assert.Equal(CountsListeners, (await AskedForHolderAsync(limit)).HolderIsGone);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task An_acquire_that_asks_whether_the_holder_answers_has_the_answer_of_any_other(int limit)
    {
        for (int i = 0; i < limit; i++)
        {
            await HeldAsync(Other, limit);
        }

        AcquireResult plain = await Store.AcquireAsync(OfJob(limit), Cancellation);
        AcquireResult asked = await AskedForHolderAsync(limit, waiter: new WaiterEntry("waits", AMinute));

        Assert.False(plain.HolderIsGone);
        Assert.Equal((plain.Outcome, plain.Holder, plain.IsKept), (asked.Outcome, asked.Holder, asked.IsKept));
        Assert.Equal(plain.Others ?? [], asked.Others ?? []);
        AssertTimeLeft(asked.TimeLeft, TimeSpan.Zero, AMinute);
        Assert.True(asked.QueuedSince > 0);
        Assert.Equal(["node-1"], await QueueAsync());
    }

    [Theory]
    [InlineData(1, null)]
    [InlineData(3, null)]
    [InlineData(1, "another-job-cDeFgHiJkl")]
    [InlineData(3, "another-job-cDeFgHiJkl")]
    public async Task No_holder_is_gone_for_another_job(int limit, string? identity)
    {
        for (int i = 1; i < limit; i++)
        {
            await HeldAsync(Other, limit);
        }

        await HeldAsync(Other, limit, identity);

        Assert.False((await AskedForHolderAsync(limit)).HolderIsGone);
        Assert.False((await AskedForHolderAsync(limit, identity: null)).HolderIsGone);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task The_process_that_asks_is_not_gone(int limit)
    {
        for (int i = 0; i < limit; i++)
        {
            await HeldAsync(Store, limit);
        }

        Assert.False((await AskedForHolderAsync(limit)).HolderIsGone);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_holder_whose_run_has_ended_is_not_gone_while_the_lock_is_kept(int limit)
    {
        for (int i = 0; i < limit; i++)
        {
            AcquireRequest lease = await HeldAsync(Other, limit);
            await Other.ReleaseAsync(LockRequests.Release(lease, keepFor: AMinute), Cancellation);
        }

        AcquireResult result = await AskedForHolderAsync(limit);

        Assert.Equal((true, false), (result.IsKept, result.HolderIsGone));
    }

    [Fact]
    public async Task One_of_several_holders_is_gone()
    {
        await using Notifications here = await Notifications.OfAsync(Store);
        await HeldAsync(Store, 3);
        AcquireRequest kept = await HeldAsync(Store, 3);
        await Store.ReleaseAsync(LockRequests.Release(kept, keepFor: AMinute), Cancellation);
        await HeldAsync(Other, 3);

        Assert.Equal(CountsListeners, (await AskedForHolderAsync(3)).HolderIsGone);
        Assert.Equal(CountsListeners, (await AskedForHolderAsync(1)).HolderIsGone);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task An_acquire_that_asks_whether_the_holder_answers_is_granted_a_free_lock(int limit)
    {
        LockOccurrence occurrence = new("job", DateTimeOffset.UnixEpoch, IsRetry: false);
        AcquireRequest asks = OfJob(limit) with
        {
            AsksWhetherHolderAnswers = true,
            Occurrence = occurrence,
            Waiter = new WaiterEntry("waits", AMinute, 0, "deferral", AMinute),
        };

        (AcquireRequest lease, long token) = await GrantedAsync(asks);

        Assert.True(token > 0);
        Assert.Equal(AcquireOutcome.DeferralSpent, (await Store.AcquireAsync(asks with { LeaseId = NewLeaseId() }, Cancellation)).Outcome);
        AcquireRequest standby = asks with { LeaseId = NewLeaseId(), Waiter = null };
        Assert.Equal(AcquireOutcome.OccurrenceRunning, (await Store.AcquireAsync(standby, Cancellation)).Outcome);
        await ReleasedAsync(lease, end: new OccurrenceEnd(occurrence, lease.Holder, OccurrenceOutcome.Succeeded, AMinute));
        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await Store.AcquireAsync(standby, Cancellation)).Outcome);
    }
}
