using Hangfire;
using Hangfire.Storage;
using Microsoft.Extensions.Logging.Testing;
using NSubstitute;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>What a storage says about a recurring job, and for how long that answer is used.</summary>
public sealed class RecurringJobsTests
{
    private readonly JobStorage _storage = Substitute.For<JobStorage>();

    private readonly IStorageConnection _connection = Substitute.For<IStorageConnection>();

    private readonly FakeLogger _logs = new();

    [Theory]
    [InlineData("1700000000", null, true)]
    [InlineData("1700000000", "0", true)]
    [InlineData("1700000000", "2", true)] // Ignorable
    [InlineData("1700000000", "1", false)] // Strict
    [InlineData("", null, false)]
    [InlineData(null, "0", false)]
    public void A_schedule_that_has_a_next_execution_and_is_not_strict_runs_a_job_again(string? next, string? misfire, bool runsAgain)
    {
        Dictionary<string, string> job = new() { ["Cron"] = "0 0 * * *" };
        if (next is not null)
        {
            job["NextExecution"] = next;
        }

        if (misfire is not null)
        {
            job["Misfire"] = misfire;
        }

        _connection.GetAllEntriesFromHash("recurring-job:nightly").Returns(job);

        Assert.Equal(runsAgain, new RecurringJobs(TimeProvider.System, _logs).RunsAgain(_storage, _connection, "nightly"));
    }

    [Fact]
    public void A_job_that_was_removed_does_not_run_again()
    {
        _connection.GetAllEntriesFromHash("recurring-job:nightly").Returns((Dictionary<string, string>?)null);

        Assert.False(new RecurringJobs(TimeProvider.System, _logs).RunsAgain(_storage, _connection, "nightly"));
    }

    [Fact]
    public void A_worker_asks_each_time_and_an_election_relies_on_that_for_a_short_while()
    {
        FixedTime time = new();
        RecurringJobs recurring = new(time, _logs);
        _connection.GetAllEntriesFromHash("recurring-job:nightly").Returns(new Dictionary<string, string> { ["NextExecution"] = "1" });
        Assert.Null(recurring.Known(_storage, "nightly"));

        Assert.True(recurring.RunsAgain(_storage, _connection, "nightly"));

        Assert.True(recurring.Known(_storage, "nightly"));
        Assert.Null(recurring.Known(Substitute.For<JobStorage>(), "nightly"));
        time.Seconds = 16;
        Assert.Null(recurring.Known(_storage, "nightly"));

        // A schedule that was changed or removed meanwhile.
        _connection.GetAllEntriesFromHash("recurring-job:nightly").Returns(new Dictionary<string, string> { ["NextExecution"] = "" });
        Assert.False(recurring.RunsAgain(_storage, _connection, "nightly"));
        Assert.False(recurring.Known(_storage, "nightly"));
    }

    [Fact]
    public void When_the_storage_does_not_answer_the_job_is_deferred_and_the_storage_is_asked_again()
    {
        RecurringJobs recurring = new(TimeProvider.System, _logs);
        _connection.GetAllEntriesFromHash("recurring-job:nightly").Returns(_ => throw new IOException("storage"));

        Assert.False(recurring.RunsAgain(_storage, _connection, "nightly"));

        Assert.Null(recurring.Known(_storage, "nightly"));
        Assert.Equal([2017], _logs.Collector.GetSnapshot().Select(log => log.Id.Id));
    }

    private sealed class FixedTime : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
