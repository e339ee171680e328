using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    [Fact]
    public async Task A_renewal_gives_a_full_expiry()
    {
        (AcquireRequest lease, _) = await GrantedAsync(TimeSpan.FromSeconds(20));

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease, AMinute));

        AssertTimeLeft((await AskedByAnotherAsync(Name)).TimeLeft, TimeSpan.FromSeconds(20), AMinute);
    }

    [Fact]
    public async Task A_renewal_never_shortens_a_lease()
    {
        (AcquireRequest lease, _) = await GrantedAsync();

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease, TimeSpan.FromSeconds(1)));

        AssertTimeLeft((await AskedByAnotherAsync(Name)).TimeLeft, TimeSpan.FromSeconds(1), AMinute);
    }

    [Fact]
    public async Task A_lease_that_has_expired_is_missing_and_is_not_created_again()
    {
        (AcquireRequest lease, _) = await GrantedAsync(AMoment);
        await PassAsync(AMoment);
        await Eventually.SeesAsync(() => ListedAsync(Name), listed => listed.Count == 0);

        Assert.Equal(RenewOutcome.Missing, await RenewedAsync(lease));

        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name)).Outcome);
    }

    [Fact]
    public async Task The_lease_of_another_holder_is_not_renewed()
    {
        await GrantedAsync(TimeSpan.FromSeconds(20));

        Assert.Equal(RenewOutcome.NotYours, await RenewedAsync(Request(Name), AMinute));

        AssertTimeLeft((await AskedByAnotherAsync(Name)).TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task A_kept_lock_cannot_be_renewed()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        await ReleasedAsync(lease, keepFor: TimeSpan.FromSeconds(20));

        Assert.Equal(RenewOutcome.NotYours, await RenewedAsync(lease, AMinute));

        AssertTimeLeft((await AskedByAnotherAsync(Name)).TimeLeft, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Each_lease_of_a_batch_has_its_own_result()
    {
        LockOccurrence occurrence = Occurrence();
        AcquireRequest missing = Request(Name + ":missing");
        AcquireRequest theirs = Request(Name + ":theirs");
        await GrantedAsync(theirs with { LeaseId = NewLeaseId() });
        (AcquireRequest first, _) = await GrantedAsync(Request(Name + ":1", TimeSpan.FromSeconds(20), occurrence: occurrence));
        (AcquireRequest second, _) = await GrantedAsync(Request(Name + ":2", TimeSpan.FromSeconds(20)));

        AcquireRequest[] leases = [missing, first, theirs, second];
        RenewOutcome[] outcomes = new RenewOutcome[leases.Length];
        await Store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease)).ToArray(), outcomes, Cancellation);

        Assert.Equal([RenewOutcome.Missing, RenewOutcome.Renewed, RenewOutcome.NotYours, RenewOutcome.Renewed], outcomes);
        AssertTimeLeft((await AskedByAnotherAsync(first.Name)).TimeLeft, TimeSpan.FromSeconds(20), AMinute);
        AssertTimeLeft((await AskedByAnotherAsync(second.Name)).TimeLeft, TimeSpan.FromSeconds(20), AMinute);
    }

    [Fact]
    public async Task A_batch_may_be_large()
    {
        AcquireRequest[] leases = [.. Enumerable.Range(0, 250).Select(i => Request($"{Name}:{i}", TimeSpan.FromSeconds(20)))];
        await Task.WhenAll(leases.Where((_, i) => i % 2 == 0).Select(lease => Store.AcquireAsync(lease, Cancellation).AsTask()));

        RenewOutcome[] outcomes = new RenewOutcome[leases.Length];
        await Store.RenewAsync(leases.Select(lease => LockRequests.Renew(lease)).ToArray(), outcomes, Cancellation);

        Assert.Equal(leases.Select((_, i) => i % 2 == 0 ? RenewOutcome.Renewed : RenewOutcome.Missing), outcomes);
    }

    [Fact]
    public async Task The_mark_of_a_running_occurrence_is_renewed_with_its_lease()
    {
        (AcquireRequest lease, _) = await GrantedAsync(TimeSpan.FromSeconds(20), Occurrence());

        Assert.Equal(RenewOutcome.Renewed, await RenewedAsync(lease, AMinute));

        AcquireResult other = await AskedByAnotherAsync(Name, Occurrence());
        Assert.Equal(AcquireOutcome.OccurrenceRunning, other.Outcome);
        AssertTimeLeft(other.TimeLeft, TimeSpan.FromSeconds(20), AMinute);
    }
}
