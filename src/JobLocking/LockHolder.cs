using System.Text;

namespace JobLocking;

/// <summary>
/// Describes the holder of a lock to operators. The lease id, not this description, decides which execution holds the lock.
/// </summary>
/// <param name="Application">
/// The application: <see cref="JobLockingOptions.ApplicationName"/> of the holder's process, with its environment.
/// </param>
/// <param name="Node">The node: <see cref="JobLockingOptions.NodeName"/> of the holder's process.</param>
/// <param name="Scheduler">What started the job: <c>Hangfire</c>, <c>Quartz/name</c>, or <c>code</c> for a lock taken by hand.</param>
/// <param name="Job">The job, with the same name on every node; null for a lock taken by hand.</param>
/// <param name="Execution">The scheduler's own id of the execution: a Hangfire job id, a Quartz fire instance id.</param>
/// <param name="Since">When the holder requested the lock, in UTC, by the holder's clock.</param>
public sealed record LockHolder(string Application, string Node, string Scheduler, string? Job, string? Execution, DateTimeOffset Since)
{
    /// <summary>
    /// A hash of 22 characters by which executions of one application are recognised as the same job. It covers type and method,
    /// recurring id or job key, arguments or job data, and scheduler. It is null for a lock taken by hand, and where it is unknown
    /// or not needed.
    /// </summary>
    public string? Identity { get; init; }

    /// <summary>One line: <c>billing on worker-3, Hangfire job Invoices.Send #17</c>.</summary>
    public override string ToString()
    {
        StringBuilder text = new StringBuilder(Application).Append(" on ").Append(Node).Append(", ").Append(Scheduler);
        if (Job is not null)
        {
            text.Append(" job ").Append(Job);
        }

        if (Execution is not null)
        {
            text.Append(" #").Append(Execution);
        }

        return text.ToString();
    }
}
