using JobLocking.Policy;

namespace JobLocking.Engine;

/// <summary>How long the mark of an occurrence is kept after its run, so that a late process does not run the occurrence again.</summary>
/// <remarks>
/// A fixed time would be too long for a job that runs each second, and too short for one that runs each week: a process that comes late
/// comes late by some fire times.
/// </remarks>
internal static class OccurrenceRule
{
    /// <summary>The shortest time, and how long a mark outlives the next fire time.</summary>
    private static readonly TimeSpan Shortest = TimeSpan.FromMinutes(10);

    /// <summary>How long a mark is kept that is written now.</summary>
    public static TimeSpan KeepFor(LockExecution execution, DateTimeOffset now)
    {
        LockPolicy policy = execution.Policy;
        if (execution.Following is not { } following)
        {
            return policy.OccurrenceRetention;
        }

        TimeSpan kept = following.Hundredth is { } hundredth ? hundredth - now : TimeSpan.MaxValue;
        kept = kept < Shortest ? Shortest : kept;
        kept = kept > policy.OccurrenceRetention ? policy.OccurrenceRetention : kept;

        // A deferral asks at least each DeferBy, or more often.
        TimeSpan untilAsked = 2 * policy.DeferBy;
        kept = kept > untilAsked ? kept : untilAsked;

        TimeSpan untilNext = following.Next is { } next ? next - now + Shortest : TimeSpan.Zero;
        return kept > untilNext ? kept : untilNext;
    }

    /// <summary>
    /// Whether the occurrence may have been run, and its mark be gone again, since it was known not to have ended: since its fire time, or
    /// since the store was last asked. A deferral that waits asks again long before the mark of another run could be gone, however old its
    /// occurrence is. A retry or recovery goes on with a run that this scheduler began, which no other node was to repeat.
    /// </summary>
    public static bool MayBeForgotten(LockExecution execution, DateTimeOffset now)
    {
        if (execution is not { Occurrence: { IsRetry: false, ScheduledTime: var since }, Origin: not ExecutionOrigin.Recovery })
        {
            return false;
        }

        if (execution.Deferral?.AskedAt is { } asked && asked > since)
        {
            since = asked;
        }

        return now - since > KeepFor(execution, since);
    }
}
