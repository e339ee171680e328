using JobLocking.Engine;
using JobLocking.Stores;
using Quartz;

namespace JobLocking.Quartz.Firings;

/// <summary>Describes the firings of one scheduler to the engine.</summary>
internal sealed class FiringDescription(KeyedPolicies policies, string node)
{
    // Neither a fire instance id nor the instance id of a scheduler without a shared store differs between two processes.
    private readonly string _process = Guid.NewGuid().ToString("N");

    /// <summary>The firing as an execution, or null if its job has no lock.</summary>
    /// <exception cref="TaskLockException">The lock is declared wrongly, or its name cannot be resolved.</exception>
    public async ValueTask<LockExecution?> DescribeAsync(Firing firing)
    {
        IJobExecutionContext context = firing.Context;
        Type? type = context.JobDetail.JobType.TryResolve(out Type? resolved) ? resolved : null;
        if (policies.Find(context.JobDetail.Key, type) is not { } policy)
        {
            return null;
        }

        string job = JobIdentity.Of(context.JobDetail.Key, type, policy);
        return new LockExecution
        {
            Policy = policy,
            Name = policy.ResolveName(new FiringValues(context, type).ValueOf),
            Scheduler = $"Quartz/{context.Scheduler.SchedulerName}",
            Job = job,
            Execution = context.FireInstanceId,
            Origin = firing.Origin,
            Occurrence = policy.OncePerOccurrence && firing.HasOccurrence
                ? new LockOccurrence(job, firing.ScheduledTime, await FiringIdAsync(firing).ConfigureAwait(false), IsRetry: firing.Attempts > 0)
                : null,
            Deferrals = firing.Deferred?.Count ?? 0,
            FirstDeferredAt = firing.Deferred?.FirstDeferredAt,
        };
    }

    /// <summary>The same for the attempts and deferrals of one firing, different for the firing of another node, wherever two nodes fire the same.</summary>
    private async ValueTask<string> FiringIdAsync(Firing firing)
    {
        IScheduler scheduler = firing.Context.Scheduler;
        SchedulerMetadata store = await scheduler.GetMetadata(CancellationToken.None).ConfigureAwait(false);
        string fires = store switch
        {
            { JobStoreClustered: true } => "cluster",
            { JobStorePersistent: true } => $"node {node}",
            _ => $"process {_process}",
        };
        return $"{fires}/{scheduler.SchedulerName}/{JobIdentity.Of(firing.Trigger)}";
    }
}
