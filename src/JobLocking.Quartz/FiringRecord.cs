using Quartz;

namespace JobLocking.Quartz;

/// <summary>How Quartz records a firing whose job did not run because of its lock.</summary>
public enum FiringRecord
{
    /// <summary>
    /// As a success with a report, <see cref="JobRunReport.Skipped(string)"/>, that has the reason. Continuations on success and a
    /// <c>JobChainingJobListener</c> go on, and <c>RequireSuccessWithin</c> counts it.
    /// </summary>
    Report,

    /// <summary>
    /// As a firing that a trigger listener vetoed: <see cref="ExecutionOutcome.Vetoed"/>. Nothing that waits for a success goes on.
    /// </summary>
    Veto,
}
