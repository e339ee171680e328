using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Tests.Engine;
using Xunit;

namespace JobLocking.Tests.Policy;

public sealed class SameJobTests : IDisposable
{
    private static readonly TaskLockAttribute Plain = new("x");

    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;

    public SameJobTests() => _other = new EngineUnderTest(sharing: _node, node: "node-2");

    /// <summary>Parts of two jobs that are not the same.</summary>
    public static TheoryData<string[], string[]> Different => new()
    {
        { ["a"], ["b"] },
        { ["ab", "c"], ["a", "bc"] },
        { ["a", ""], ["", "a"] },
        { ["a"], ["a", ""] },
        { ["a\0\0\0"], ["a", ""] },
        { [new string('x', 10_000)], [new string('x', 10_001)] },
    };

    public void Dispose()
    {
        _node.Dispose();
        _other.Dispose();
    }

    [Theory]
    [InlineData("one", "one", true)]
    [InlineData("one", "other", false)]
    [InlineData("one", null, false)]
    [InlineData(null, "one", false)]
    [InlineData(null, null, false)]
    public async Task A_job_is_skipped_only_for_the_same_identity_whatever_its_name(string? holder, string? asker, bool skipped)
    {
        await _other.DecideAsync<LockDecision.Run>(_other.Execution(Plain, job: "Sync.Run") with { Identity = holder });

        LockDecision decision = await _node.Engine.DecideAsync(
            _node.Execution(Plain, ExecutionOrigin.Recurring, job: skipped ? "Renamed.Run" : "Sync.Run") with { Identity = asker }, CancellationToken.None);

        Assert.Equal(skipped, decision is LockDecision.Skip);
        Assert.Equal(!skipped, decision is LockDecision.Defer);
    }

    [Fact]
    public async Task A_job_is_deferred_while_the_lock_is_kept_after_the_run_of_other_work()
    {
        TaskLockAttribute kept = new("x") { MinHold = 40 };
        LockDecision.Run run = await _other.DecideAsync<LockDecision.Run>(_other.Execution(kept) with { Identity = "tenant a" });
        await run.EndAsync(null, aborted: false);

        await _node.DecideAsync<LockDecision.Defer>(_node.Execution(kept, ExecutionOrigin.Recurring) with { Identity = "tenant b" });
        await _node.DecideAsync<LockDecision.Skip>(_node.Execution(kept, ExecutionOrigin.Recurring) with { Identity = "tenant a" });
    }

    [Fact]
    public void Equal_parts_give_one_short_text()
    {
        string? identity = SameJob.Of("type", "job", "");

        Assert.Equal(identity, SameJob.Of("type", "job", ""));
        Assert.Matches("^[A-Za-z0-9_-]{22}$", identity);
    }

    [Theory]
    [MemberData(nameof(Different))]
    public void Different_parts_give_a_different_text(string[] one, string[] other) => Assert.NotEqual(SameJob.Of(one), SameJob.Of(other));

    [Fact]
    public void An_unknown_part_gives_no_identity() => Assert.Null(SameJob.Of("type", null, "scheduler"));

    [Theory]
    [InlineData("jobs", "jobs")]
    [InlineData("jobs-WEB01", "jobs-~")]
    [InlineData("Quartzweb01", "Quartz~")]
    [InlineData("web01.b-1", "web01.b-1")]
    [InlineData("b-12", "b-12")]
    [InlineData("job-1", "job-1")]
    [InlineData("job-1 B-1", "job-1 ~")]
    public void The_names_of_machine_and_node_do_not_count_in_the_name_of_a_scheduler(string name, string known) =>
        Assert.Equal(known, SameJob.WithoutNode(name, node: "b-1", machine: "web01"));

    [Theory]
    [InlineData("acme", "acme", "acme")] // Nothing else would be left of the name: it is the name of a tenant.
    [InlineData("jobs", "jobsystem", "jobsystem")]
    [InlineData("jobs", "jobs-system", "~-system")]
    public void A_node_with_the_name_of_a_scheduler_does_not_make_two_schedulers_one(string node, string name, string known) =>
        Assert.Equal(known, SameJob.WithoutNode(name, node, machine: "web01"));

    [Fact]
    public void The_longer_of_node_and_machine_name_is_replaced_first() => Assert.Equal("jobs-~", SameJob.WithoutNode("jobs-web01-a", node: "web01-a", machine: "web01"));
}
