using JobLocking.Stores;
using Xunit;

namespace JobLocking.TestKit.Contract;

public abstract partial class LockStoreContract
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    protected static LockOccurrence Occurrence(bool isRetry = false, string job = "reports", DateTimeOffset? at = null) =>
        new(job, at ?? Noon, isRetry);

    protected static OccurrenceEnd Succeeded(LockOccurrence occurrence, TimeSpan? retention = null) =>
        new(occurrence, Holder(), OccurrenceOutcome.Succeeded, retention ?? AMinute);

    protected static OccurrenceEnd Failed(LockOccurrence occurrence) => new(occurrence, Holder(), OccurrenceOutcome.Failed, AMinute);

    protected static OccurrenceEnd Unfinished(LockOccurrence occurrence) =>
        new(occurrence, Holder(), OccurrenceOutcome.Unfinished, AMinute);

    [Fact]
    public async Task An_occurrence_that_runs_elsewhere_names_its_holder_and_the_time_left()
    {
        await GrantedAsync(occurrence: Occurrence());

        AcquireResult other = await AskedByAnotherAsync(Name, Occurrence());

        Assert.Equal((AcquireOutcome.OccurrenceRunning, Holder()), (other.Outcome, other.Holder));
        AssertTimeLeft(other.TimeLeft, TimeSpan.Zero, AMinute);
    }

    [Fact]
    public async Task A_running_occurrence_is_not_run_by_another_although_the_lock_is_free()
    {
        (_, long token) = await GrantedAsync(occurrence: Occurrence());
        await Store.BreakAsync(Name, token, Cancellation);

        Assert.Equal(AcquireOutcome.OccurrenceRunning, (await AskedByAnotherAsync(Name, Occurrence())).Outcome);
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name)).Outcome);
    }

    [Fact]
    public async Task The_lease_that_runs_an_occurrence_is_granted_again()
    {
        (AcquireRequest lease, long token) = await GrantedAsync(occurrence: Occurrence());

        AcquireResult again = await Store.AcquireAsync(lease, Cancellation);

        Assert.Equal((AcquireOutcome.Granted, token), (again.Outcome, again.FencingToken));
    }

    [Fact]
    public async Task The_occurrences_of_another_application_or_scheduler_are_different()
    {
        LockOccurrence occurrence = Occurrence() with { Application = "billing", Scheduler = "tenant-a" };
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: occurrence);
        await ReleasedAsync(lease, end: Succeeded(occurrence));

        foreach (LockOccurrence other in new[] { occurrence with { Application = "shop" }, occurrence with { Scheduler = "tenant-b" } })
        {
            (lease, _) = await GrantedAsync(occurrence: other);
            await ReleasedAsync(lease, end: Failed(other));
        }

        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskedByAnotherAsync(Name, occurrence with { IsRetry = true })).Outcome);
    }

    [Fact]
    public async Task A_contended_lock_leaves_the_occurrence_unmarked()
    {
        (AcquireRequest lease, _) = await GrantedAsync();
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(Name, Occurrence())).Outcome);
        await ReleasedAsync(lease);

        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name, Occurrence())).Outcome);
    }

    [Fact]
    public async Task An_occurrence_that_succeeded_is_not_run_again_not_even_by_a_retry()
    {
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: Occurrence());
        await ReleasedAsync(lease, end: Succeeded(Occurrence()));

        AcquireResult other = await AskedByAnotherAsync(Name, Occurrence());

        Assert.Equal((AcquireOutcome.OccurrenceSucceeded, Holder()), (other.Outcome, other.Holder));
        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskedByAnotherAsync(Name, Occurrence())).Outcome);
        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskedByAnotherAsync(Name, Occurrence(isRetry: true))).Outcome);
    }

    [Fact]
    public async Task An_occurrence_is_judged_before_the_lock()
    {
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: Occurrence());
        await ReleasedAsync(lease, keepFor: AMinute, end: Succeeded(Occurrence()));

        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(Name)).Outcome);
        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskedByAnotherAsync(Name, Occurrence())).Outcome);
    }

    [Fact]
    public async Task An_occurrence_that_failed_is_run_again_only_by_a_retry()
    {
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: Occurrence());
        await ReleasedAsync(lease, end: Failed(Occurrence()));

        AcquireResult other = await AskedByAnotherAsync(Name, Occurrence());
        Assert.Equal((AcquireOutcome.OccurrenceFailed, Holder()), (other.Outcome, other.Holder));
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name, Occurrence(isRetry: true))).Outcome);
        Assert.Equal(AcquireOutcome.OccurrenceRunning, (await AskedByAnotherAsync(Name, Occurrence(isRetry: true))).Outcome);
    }

    [Theory]
    [InlineData("reports", "reports/2026-03-01")]
    [InlineData("a/b", "a%2Fb")]
    [InlineData("a}b", "a")]
    [InlineData("a\0b", "a")]
    [InlineData("日本", "日")]
    public async Task Occurrences_of_different_jobs_do_not_collide(string job, string another)
    {
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: Occurrence(job: job));
        await ReleasedAsync(lease, end: Succeeded(Occurrence(job: job)));

        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskedByAnotherAsync(Name, Occurrence(job: job))).Outcome);
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name, Occurrence(job: another))).Outcome);
    }

    [Fact]
    public async Task An_occurrence_is_the_same_in_every_time_zone_and_different_a_moment_later()
    {
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: Occurrence());
        await ReleasedAsync(lease, end: Succeeded(Occurrence()));

        DateTimeOffset elsewhere = Noon.ToOffset(TimeSpan.FromHours(5.5));
        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskedByAnotherAsync(Name, Occurrence(at: elsewhere))).Outcome);
        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name, Occurrence(at: Noon.AddMilliseconds(1)))).Outcome);
    }

    [Fact]
    public async Task The_occurrence_of_an_unfinished_run_is_run_by_another()
    {
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: Occurrence());

        Assert.Equal(ReleaseOutcome.Released, await ReleasedAsync(lease, end: Unfinished(Occurrence())));

        Assert.Equal(AcquireOutcome.Granted, (await AskedByAnotherAsync(Name, Occurrence())).Outcome);
    }

    [Fact]
    public async Task The_mark_of_an_occurrence_ends_with_the_lease_of_a_process_that_died()
    {
        await GrantedAsync(AMoment, Occurrence());
        await PassAsync(AMoment);

        await GrantedInTheEndAsync(Request(Name, occurrence: Occurrence()));
    }

    [Fact]
    public async Task An_occurrence_is_remembered_for_a_limited_time()
    {
        (AcquireRequest lease, _) = await GrantedAsync(occurrence: Occurrence());
        await ReleasedAsync(lease, end: Succeeded(Occurrence(), AMoment));
        await PassAsync(AMoment);

        await GrantedInTheEndAsync(Request(Name, occurrence: Occurrence()));
    }

    [Fact]
    public async Task A_run_that_has_outlived_its_lease_marks_its_occurrence()
    {
        (AcquireRequest lost, _) = await GrantedAsync(AMoment, Occurrence());
        await PassAsync(AMoment);
        await GrantedInTheEndAsync(Request(Name, node: "successor"));

        Assert.Equal(ReleaseOutcome.NotYours, await ReleasedAsync(lost, end: Succeeded(Occurrence())));

        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskedByAnotherAsync(Name, Occurrence())).Outcome);
        Assert.Equal(AcquireOutcome.Contended, (await AskedByAnotherAsync(Name)).Outcome);
    }

    [Fact]
    public async Task A_run_that_has_outlived_its_lease_leaves_the_mark_of_its_successor_alone()
    {
        (AcquireRequest lost, _) = await GrantedAsync(AMoment, Occurrence());
        await PassAsync(AMoment);
        await GrantedInTheEndAsync(Request(Name, node: "successor", occurrence: Occurrence()));

        await ReleasedAsync(lost, end: Succeeded(Occurrence()));
        await ReleasedAsync(lost, end: Unfinished(Occurrence()));

        AcquireResult other = await AskedByAnotherAsync(Name, Occurrence());
        Assert.Equal((AcquireOutcome.OccurrenceRunning, Holder("successor")), (other.Outcome, other.Holder));
    }

    [Fact]
    public async Task A_success_is_remembered_although_a_failure_of_another_run_was_reported_before()
    {
        (AcquireRequest lost, _) = await GrantedAsync(AMoment, Occurrence());
        await PassAsync(AMoment);
        AcquireRequest successor = Request(Name, node: "successor", occurrence: Occurrence());
        await GrantedInTheEndAsync(successor);
        await ReleasedAsync(successor, end: Failed(Occurrence()));

        await ReleasedAsync(lost, end: Succeeded(Occurrence()));
        await ReleasedAsync(lost, end: Failed(Occurrence()));

        Assert.Equal(AcquireOutcome.OccurrenceSucceeded, (await AskedByAnotherAsync(Name, Occurrence(isRetry: true))).Outcome);
    }
}
