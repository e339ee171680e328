using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The retry policy with the remaining attempts of a firing. A new trigger starts with all attempts of its policy, and a misfire resets
/// them, too, so the attempts that were made are taken out of the policy itself.
/// </summary>
internal static class RemainingRetries
{
    public static RetryPolicy? Of(IJobExecutionContext context)
    {
        int spent = context.RetryAttempt;
        if (spent == 0)
        {
            // Its own, or none: then it inherits that of the job or the scheduler, as before.
            return context.Trigger.RetryPolicy;
        }

        if (context.RetryPolicy is not { } policy || policy.MaxAttempts <= spent)
        {
            return RetryPolicy.None;
        }

        return policy.Delays.IsEmpty
            ? RetryPolicy.Exponential(
                policy.MaxAttempts - spent, NextDelay(policy, spent), policy.BackoffFactor, policy.MaxDelay, policy.Jitter)
            : RetryPolicy.Explicit([.. policy.Delays.Skip(spent)]);
    }

    /// <summary>The next delay before jitter; a fixed one is exponential by the factor 1.</summary>
    private static TimeSpan NextDelay(RetryPolicy policy, int spent)
    {
        double ticks = policy.InitialDelay.Ticks * Math.Pow(policy.BackoffFactor, spent);
        TimeSpan delay = ticks < TimeSpan.MaxValue.Ticks ? TimeSpan.FromTicks((long)ticks) : TimeSpan.MaxValue;
        return policy.MaxDelay is { } longest && longest < delay ? longest : delay;
    }
}
