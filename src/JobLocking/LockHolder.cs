using System.Text;

namespace JobLocking;

/// <summary>Who holds a lock, told for the people who operate it. No decision about ownership rests on it.</summary>
/// <param name="Application">The application, <see cref="JobLockingOptions.ApplicationName"/> there.</param>
/// <param name="Node">The node, <see cref="JobLockingOptions.NodeName"/> there.</param>
/// <param name="Scheduler">What started the job: <c>Hangfire</c>, <c>Quartz/name</c>, or <c>code</c> for a lock taken by hand.</param>
/// <param name="Job">The job, named the same on every node; null for a lock taken by hand.</param>
/// <param name="Execution">The scheduler's own id of the execution: a Hangfire job id, a Quartz fire instance id.</param>
/// <param name="Since">When the holder asked for the lock, UTC, by the holder's clock.</param>
public sealed record LockHolder(string Application, string Node, string Scheduler, string? Job, string? Execution, DateTimeOffset Since)
{
    /// <summary>
    /// By which executions of one application are known to be the same job, in 22 characters: type and method, recurring id or job
    /// key, arguments or job data, and scheduler. Null for a lock taken by hand, and where it is not known or needed.
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
