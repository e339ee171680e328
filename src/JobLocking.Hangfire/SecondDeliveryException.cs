using Hangfire;

namespace JobLocking.Hangfire;

/// <summary>Ends the election of a second delivery. <see cref="DeliveryStateChanger"/> catches it.</summary>
internal sealed class SecondDeliveryException(TaskLockFilter filter, BackgroundJob job) : Exception
{
    /// <summary>The filter that knows the lock of the job.</summary>
    public TaskLockFilter Filter => filter;

    /// <summary>The job.</summary>
    public BackgroundJob Job => job;

    /// <summary>
    /// The job is not running, but scheduled for later: the delivery is dropped, and comes back at this time, UTC. Otherwise null.
    /// </summary>
    public DateTime? WaitsUntil { get; init; }
}
