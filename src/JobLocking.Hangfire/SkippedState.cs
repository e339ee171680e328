using Hangfire.States;
using JobLocking.Engine;
using JobLocking.Policy;

namespace JobLocking.Hangfire;

/// <summary>Deleted, because the execution is skipped before it reaches a worker.</summary>
internal sealed class SkippedState : DeletedState
{
    public SkippedState(LockDecision.Skip skip, ExecutionOrigin origin) => (Reason, Origin) = (JobDecision.Reason(skip), origin);

    public ExecutionOrigin Origin { get; }
}
