using JobLocking.Engine;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// What Quartz shows of a firing whose job did not run, in its history, listeners and spans. The firing is a success for Quartz, so that
/// no retry follows; the report tells it from a run.
/// </summary>
internal static class JobDecision
{
    /// <summary>Distinguishes a skip, a deferral, and a job that reports itself as skipped, without the text.</summary>
    private const string Outcome = "lock.outcome";

    public static JobRunReport Skipped(LockExecution execution, LockDecision.Skip skip) =>
        JobRunReport.Skipped($"Skipped: {skip.Reason}")
            .With(Outcome, "skipped")
            .With("lock.name", execution.Name)
            .With("lock.holder", skip.Holder?.ToString());

    public static JobRunReport Deferred(LockExecution execution, LockDecision.Defer defer) =>
        JobRunReport.Skipped($"Deferred: {defer.Reason}")
            .With(Outcome, "deferred")
            .With("lock.name", execution.Name)
            .With("lock.deferrals", defer.State.Deferrals)
            .With("lock.deferred_by", defer.Delay.TotalSeconds);

    public static JobRunReport StandsBy(LockExecution execution, LockDecision.Defer defer) =>
        JobRunReport.Skipped($"Standing by: {defer.Reason}")
            .With(Outcome, "standby")
            .With("lock.name", execution.Name)
            .With("lock.holder", defer.Holder?.ToString())
            .With("lock.deferred_by", defer.Delay.TotalSeconds);

    public static JobRunReport StandbyEnds(LockExecution execution, LockDecision.Defer defer) =>
        JobRunReport.Skipped($"Skipped: the scheduler stops; {defer.Reason}")
            .With(Outcome, "standby")
            .With("lock.name", execution.Name)
            .With("lock.holder", defer.Holder?.ToString());

    public static JobRunReport Coalesced(LockExecution execution, LockDecision.Defer defer) =>
        JobRunReport.Skipped($"Skipped: coalesced with the pending deferral; {defer.Reason}")
            .With(Outcome, "coalesced")
            .With("lock.name", execution.Name);

    public static JobRunReport Copy(LockExecution execution) =>
        JobRunReport.Skipped("Skipped: the deferral fired twice; its other firing does the work")
            .With(Outcome, "copy")
            .With("lock.name", execution.Name);

    public static JobRunReport Woken() =>
        JobRunReport.Skipped("Skipped: the deferral was woken as it fired; the firing that took its place does the work")
            .With(Outcome, "replaced");
}
