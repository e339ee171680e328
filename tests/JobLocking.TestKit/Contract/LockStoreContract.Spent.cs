using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    public static TheoryData<int> Limits => [1, 3];

    /// <summary>The request of an execution that has come back from a deferral, of which there may be copies.</summary>
    private AcquireRequest Returned(string deferral, int limit, TimeSpan? spentFor = null) =>
        Request(Name) with { Limit = limit, Waiter = new WaiterEntry(deferral, AMinute, 0, deferral, spentFor ?? AMinute) };

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task A_deferral_is_spent_by_the_first_lease_that_is_granted_for_it(int limit)
    {
        string deferral = NewLeaseId();
        (AcquireRequest lease, _) = await GrantedAsync(Returned(deferral, limit));

        AcquireResult whileItRuns = await Other.AcquireAsync(Returned(deferral, limit), Cancellation);
        Assert.Equal((AcquireOutcome.DeferralSpent, 0), (whileItRuns.Outcome, whileItRuns.QueuedSince));
        Assert.Empty(await QueueAsync());

        await ReleasedAsync(lease);
        Assert.Equal(AcquireOutcome.DeferralSpent, (await Other.AcquireAsync(Returned(deferral, limit), Cancellation)).Outcome);
        Assert.Empty(await ListedAsync(Name));
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(Returned(NewLeaseId(), limit), Cancellation)).Outcome);
    }

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task The_lease_that_has_spent_a_deferral_is_granted_again(int limit)
    {
        (AcquireRequest lease, long token) = await GrantedAsync(Returned(NewLeaseId(), limit));

        AcquireResult again = await Store.AcquireAsync(lease, Cancellation);

        Assert.Equal((AcquireOutcome.Granted, token), (again.Outcome, again.FencingToken));
    }

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task A_deferral_that_is_refused_is_not_spent(int limit)
    {
        string deferral = NewLeaseId();
        (AcquireRequest holds, _) = await GrantedAsync();
        Assert.Equal(AcquireOutcome.Contended, (await Store.AcquireAsync(Returned(deferral, limit), Cancellation)).Outcome);
        await ReleasedAsync(holds);

        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(Returned(deferral, limit), Cancellation)).Outcome);
    }

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task A_lease_that_was_not_used_restores_the_deferral_that_it_has_spent_and_no_other(int limit)
    {
        string deferral = NewLeaseId();
        AcquireRequest lease = Returned(deferral, limit);
        await GrantedAsync(lease);

        await Store.ReleaseAsync(new ReleaseRequest(Name, NewLeaseId(), Limit: limit, Spends: deferral), Cancellation);
        Assert.Equal(AcquireOutcome.DeferralSpent, (await Other.AcquireAsync(Returned(deferral, limit), Cancellation)).Outcome);

        await Store.ReleaseAsync(new ReleaseRequest(Name, lease.LeaseId, Limit: limit, Spends: deferral), Cancellation);
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(Returned(deferral, limit), Cancellation)).Outcome);
    }

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task A_deferral_that_was_spent_is_judged_before_an_occurrence(int limit)
    {
        string deferral = NewLeaseId();
        AcquireRequest lease = Returned(deferral, limit) with { Occurrence = Occurrence() };
        await GrantedAsync(lease);
        Assert.Equal(AcquireOutcome.DeferralSpent, (await Other.AcquireAsync(lease with { LeaseId = NewLeaseId() }, Cancellation)).Outcome);

        await Store.ReleaseAsync(
            new ReleaseRequest(Name, lease.LeaseId, Occurrence: Unfinished(Occurrence()), Limit: limit, Spends: deferral), Cancellation);
        Assert.Equal(AcquireOutcome.Granted, (await Other.AcquireAsync(lease with { LeaseId = NewLeaseId() }, Cancellation)).Outcome);
    }

    [Theory]
    [MemberData(nameof(Limits))]
    public async Task A_spent_deferral_is_forgotten_when_its_time_is_over(int limit)
    {
        string deferral = NewLeaseId();
        (AcquireRequest lease, _) = await GrantedAsync(Returned(deferral, limit, spentFor: AMoment));
        await ReleasedAsync(lease);

        await PassAsync(AMoment);

        Assert.Equal(AcquireOutcome.Granted, (await GrantedInTheEndAsync(Returned(deferral, limit))).Outcome);
    }
}
