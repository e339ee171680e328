using WorkerHost;
using Xunit;

namespace JobLocking.Docs;

/// <summary>The verdict of the sample is meaningful only if it can be negative.</summary>
public sealed class AuditTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private readonly Audit _audit = new("self");

    public AuditTests() => Alive("self", nodes: 3);

    [Fact]
    public void Executions_in_turn_do_not_overlap()
    {
        Enter("self", "a");
        Leave("self", "a");
        Enter("other", "b");
        Leave("other", "b");
        Assert.Equal((0, 2), (_audit.Summary.Overlaps, _audit.Summary.Ran));
        Assert.Null(_audit.Summary.Fault);
    }

    [Fact]
    public void Two_executions_inside_the_same_work_overlap()
    {
        Enter("self", "a");
        Enter("self", "b");
        Assert.Equal(1, _audit.Summary.Overlaps);
        Assert.NotNull(_audit.Summary.Fault);
    }

    [Fact]
    public void An_overlap_between_processes_counts_as_soon_as_both_are_known_to_be_alive()
    {
        Enter("other", "a");
        Enter("self", "b");
        Assert.True(_audit.HasSuspects);
        Assert.Equal(0, _audit.Summary.Overlaps);

        Alive("other", nodes: 1);
        Assert.False(_audit.HasSuspects);
        Assert.Equal(1, _audit.Summary.Overlaps);
    }

    [Fact]
    public void A_successor_of_a_killed_process_does_not_overlap_with_it()
    {
        Enter("killed", "a");
        Enter("self", "b");
        Leave("self", "b");
        Assert.Equal(0, _audit.Summary.Overlaps);
    }

    [Fact]
    public void Executions_up_to_the_limit_are_no_overlap_and_reach_the_limit()
    {
        Enter("self", "a", limit: 2);
        Assert.Equal((0, 0), (_audit.Summary.LimitsReached, _audit.Summary.LimitsMissed));
        Enter("other", "b", limit: 2);
        Alive("other", nodes: 1);
        Leave("self", "a");
        Enter("self", "c", limit: 2);
        Alive("other", nodes: 1);
        Assert.Equal((0, 1, 0), (_audit.Summary.Overlaps, _audit.Summary.LimitsReached, _audit.Summary.LimitsMissed));
        Assert.Null(_audit.Summary.Fault);
    }

    [Fact]
    public void One_more_than_the_limit_overlaps_as_soon_as_all_are_known_to_be_alive()
    {
        Enter("other", "a", limit: 2);
        Enter("third", "b", limit: 2);
        Enter("self", "c", limit: 2);
        Alive("other", nodes: 1);
        Alive("other", nodes: 1);
        Assert.Equal(0, _audit.Summary.Overlaps);

        Alive("third", nodes: 1);
        Assert.Equal(1, _audit.Summary.Overlaps);
    }

    [Fact]
    public void A_successor_under_a_limit_takes_the_slot_of_the_process_that_was_killed()
    {
        Enter("killed", "a", limit: 2);
        Enter("other", "b", limit: 2);
        Alive("other", nodes: 1);
        Enter("self", "c", limit: 2);
        Alive("other", nodes: 1);
        Assert.Equal(0, _audit.Summary.Overlaps);

        Enter("self", "d", limit: 2);
        Alive("other", nodes: 1);
        Assert.Equal(1, _audit.Summary.Overlaps);
    }

    [Fact]
    public void A_limit_that_refuses_executions_and_is_never_reached_is_wrong()
    {
        Enter("self", "a", limit: 2);
        _audit.Observe(Entry(JournalKind.Deferred, "self"));
        Leave("self", "a");
        Assert.Equal((0, 1), (_audit.Summary.LimitsReached, _audit.Summary.LimitsMissed));
        Assert.NotNull(_audit.Summary.Fault);
    }

    [Fact]
    public void An_occurrence_that_ran_to_its_end_twice_is_a_duplicate()
    {
        Leave("self", "a", Noon);
        Leave("other", "b", Noon.AddSeconds(1));
        Assert.Equal(0, _audit.Summary.DuplicateOccurrences);

        Leave("other", "c", Noon);
        Assert.Equal(1, _audit.Summary.DuplicateOccurrences);
        Assert.NotNull(_audit.Summary.Fault);
    }

    [Fact]
    public void Entries_from_before_the_start_of_this_process_are_not_judged()
    {
        Audit audit = new("later");
        Assert.All(new[] { Entry(JournalKind.Alive, "self"), Entry(JournalKind.Enter, "self", "a"), Entry(JournalKind.Enter, "self", "b") }, entry => Assert.False(audit.Observe(entry)));
        Assert.True(audit.Observe(Entry(JournalKind.Alive, "later") with { Nodes = 2 }));
        Assert.Equal(new Summary(2, 1, 0, 0, 0, 0, 0, 0, 0, 0), audit.Summary);
    }

    [Fact]
    public void Processes_that_were_alive_alongside_this_one_are_counted_with_their_nodes()
    {
        Alive("other", nodes: 2);
        Alive("other", nodes: 2);
        Assert.Equal((2, 5), (_audit.Summary.Processes, _audit.Summary.Nodes));
    }

    [Fact]
    public void A_run_without_any_execution_proves_nothing() => Assert.NotNull(_audit.Summary.Fault);

    private static JournalEntry Entry(JournalKind kind, string process, string? execution = null) =>
        new() { Kind = kind, Process = process, Work = kind == JournalKind.Alive ? null : "work", Execution = execution };

    private void Alive(string process, int nodes) => _audit.Observe(Entry(JournalKind.Alive, process) with { Nodes = nodes });

    private void Enter(string process, string execution, int limit = 1) => _audit.Observe(Entry(JournalKind.Enter, process, execution) with { Limit = limit });

    private void Leave(string process, string execution, DateTimeOffset? occurrence = null) =>
        _audit.Observe(Entry(JournalKind.Leave, process, execution) with { Completed = true, Occurrence = occurrence });
}
