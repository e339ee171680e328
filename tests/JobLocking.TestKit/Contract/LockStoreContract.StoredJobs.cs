using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

/// <summary>Jobs that a scheduler stores under an id, and may deliver to a second worker.</summary>
public abstract partial class LockStoreContract
{
    private static LockOccurrence StoredJob(bool isSecond = false, string id = "17") => LockOccurrence.OfStoredJob(id, isSecond);

    private static OccurrenceEnd Ended(LockOccurrence job) => new(job, Holder(), OccurrenceOutcome.Ended, AMinute);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_stored_job_that_runs_is_run_by_no_other_lease(int limit)
    {
        await GrantedAsync(Request(Name, occurrence: StoredJob()) with { Limit = limit });

        Assert.True(await Store.IsMarkedAsync(Name, StoredJob(isSecond: true), Cancellation));
        Assert.Equal(AcquireOutcome.OccurrenceRunning, (await AskedForStoredJobAsync(StoredJob(isSecond: true), limit)).Outcome);
        Assert.Equal(AcquireOutcome.OccurrenceRunning, (await AskedForStoredJobAsync(StoredJob(), limit)).Outcome);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_stored_job_that_has_ended_is_refused_to_a_second_delivery_only(int limit)
    {
        (AcquireRequest lease, _) = await GrantedAsync(Request(Name, occurrence: StoredJob()) with { Limit = limit });
        await ReleasedAsync(lease, end: Ended(StoredJob()));

        Assert.True(await Store.IsMarkedAsync(Name, StoredJob(isSecond: true), Cancellation));
        Assert.Equal(AcquireOutcome.OccurrenceEnded, (await AskedForStoredJobAsync(StoredJob(isSecond: true), limit)).Outcome);
        Assert.Equal(AcquireOutcome.Granted, (await AskedForStoredJobAsync(StoredJob(), limit)).Outcome);
    }

    [Fact]
    public async Task A_stored_job_whose_run_was_cut_off_is_run_by_a_second_delivery()
    {
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: StoredJob());
        await ReleasedAsync(lease, end: Unfinished(StoredJob()));

        Assert.False(await Store.IsMarkedAsync(Name, StoredJob(isSecond: true), Cancellation));
        Assert.Equal(AcquireOutcome.Granted, (await AskedForStoredJobAsync(StoredJob(isSecond: true))).Outcome);
    }

    [Fact]
    public async Task Stored_jobs_of_another_id_are_different()
    {
        await GrantedAsync(Request(Name, occurrence: StoredJob()) with { Limit = 5 });

        LockOccurrence other = StoredJob(id: "18");
        Assert.False(await Store.IsMarkedAsync(Name, other, Cancellation));
        Assert.Equal(AcquireOutcome.Granted, (await AskedForStoredJobAsync(other, limit: 5)).Outcome);
    }

    [Fact]
    public async Task A_stored_job_is_not_remembered_by_another_lock()
    {
        await GrantedAsync(occurrence: StoredJob());

        Assert.False(await Store.IsMarkedAsync(Name + ":other", StoredJob(isSecond: true), Cancellation));
    }

    private async Task<AcquireResult> AskedForStoredJobAsync(LockOccurrence job, int limit = 1) =>
        await Other.AcquireAsync(Request(Name, node: "node-2", occurrence: job) with { Limit = limit }, Cancellation);
}
