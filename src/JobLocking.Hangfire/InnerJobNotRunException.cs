using System.Reflection;
using Hangfire.Server;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>
/// Ends a job inside which another job should have been performed that must not run now. The outer job then gets the state that was decided
/// for the inner one (<see cref="JobDecision.Elect"/>).
/// </summary>
internal sealed class InnerJobNotRunException(JobDecision decision) : Exception(
    $"Job {decision.Execution.Job} was performed inside another job and is {decision.Outcome}: {ReasonOf(decision.Decision)}. "
    + $"If this exception passes through the outer job, that is {decision.Outcome} in its place; "
    + "if it is handled there, the work is not done.")
{
    public JobDecision Decision { get; } = decision;

    /// <summary>This exception, as Hangfire passes it on; null for any other, for example one that the outer job threw instead.</summary>
    public static InnerJobNotRunException? Of(Exception? error) => error switch
    {
        InnerJobNotRunException found => found,
        JobPerformanceException or TargetInvocationException => Of(error.InnerException),
        AggregateException all when all.InnerExceptions.All(one => Of(one) is not null) => Of(all.InnerExceptions[0]),
        _ => null,
    };

    private static string ReasonOf(LockDecision decision) =>
        decision is LockDecision.Skip skip ? skip.Reason : ((LockDecision.Defer)decision).Reason;
}
