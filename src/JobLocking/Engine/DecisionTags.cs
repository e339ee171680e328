using JobLocking.Stores;
using JobLocking.Telemetry;

namespace JobLocking.Engine;

/// <summary>A decision as spans show it.</summary>
internal static class DecisionTags
{
    public static AcquireTags Tags(this LockDecision decision, LockExecution execution)
    {
        AcquireTags tags = new(execution.Policy.Template, execution.Name, execution.Scheduler, Name(decision));
        return decision switch
        {
            LockDecision.Run { Lease: { } lease } => tags with { FencingToken = lease.FencingToken },
            LockDecision.Skip skip => tags with { Reason = skip.Cause?.Tag() ?? TagValues.OccurrenceForgotten, Holder = skip.Holder },
            LockDecision.Defer defer => tags with { Reason = defer.Cause?.Tag() ?? TagValues.Unavailable, Holder = defer.Holder },
            _ => tags,
        };
    }

    private static string Name(LockDecision decision) => decision switch
    {
        LockDecision.Run { Lease: null } => "run_without_lock",
        LockDecision.Run => "run",
        LockDecision.Skip => "skip",
        LockDecision.Defer { StandsBy: true } => "standby",
        LockDecision.Defer => "defer",
        LockDecision.Postpone => "postpone",
        _ => "fail",
    };
}
