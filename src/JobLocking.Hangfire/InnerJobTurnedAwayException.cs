using System.Reflection;
using Hangfire.Server;

namespace JobLocking.Hangfire;

/// <summary>
/// Ends a job inside which another one was performed that was turned away. The state of the outer job then says what was decided for
/// the inner one (<see cref="TurnedAway.Elect"/>); without an exception the outer job would succeed, and the work would never be done.
/// </summary>
internal sealed class InnerJobTurnedAwayException(TurnedAway turnedAway, string reason) : Exception(
    $"Job {turnedAway.Execution.Job} was performed inside another job and is {turnedAway.Outcome}: {reason}. "
    + $"If this exception passes through the outer job, the outer job is {turnedAway.Outcome} instead; "
    + "if the outer job handles it, the work is not done.")
{
    public TurnedAway TurnedAway { get; } = turnedAway;

    /// <summary>
    /// This exception, as Hangfire hands it on; null for any other one. If the outer job throws one of its own instead, that counts.
    /// </summary>
    public static InnerJobTurnedAwayException? Of(Exception? error) => error switch
    {
        InnerJobTurnedAwayException found => found,
        JobPerformanceException or TargetInvocationException => Of(error.InnerException),
        AggregateException all when all.InnerExceptions.All(one => Of(one) is not null) => Of(all.InnerExceptions[0]),
        _ => null,
    };
}
