using JobLocking.Engine;
using JobLocking.Stores;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Describes the firings of one scheduler to the engine.</summary>
internal sealed class JobExecution(KeyedPolicies policies, AmbiguousJobTypes shared, SchedulerShutdown shutdown, LockEngine engine)
{
    private string? _scheduler;
    private string? _installation;

    /// <summary>The firing as an execution, or null if its job has no lock.</summary>
    /// <exception cref="TaskLockException">The lock is declared wrongly, or its name cannot be resolved.</exception>
    public LockExecution? Describe(Firing firing, LockWorkers workers)
    {
        IJobExecutionContext context = firing.Context;
        Type? type = context.JobDetail.JobType.TryResolve(out Type? resolved) ? resolved : null;
        if (policies.Find(context.JobDetail.Key, type) is not { } policy)
        {
            return null;
        }

        shared.Saw(type, context.JobDetail.Key);
        string installation = _installation ??= JobIdentity.InstallationOf(context.Scheduler, engine);
        bool toldApart = policy.OncePerOccurrence && firing.HasOccurrence;
        TriggerKey? trigger = TriggerData.IsOwn(context.Trigger.JobDataMap) ? firing.Trigger : null;
        string job = OfKey(trigger);
        return new LockExecution
        {
            Policy = policy,
            Name = policy.ResolveName(new PlaceholderValues(context, type, policy).ValueOf),
            Scheduler = _scheduler ??= $"Quartz/{context.Scheduler.SchedulerName}",
            Job = job,
            Identity = policy.ComparesJobs ? JobIdentity.Of(context, type, trigger is null ? job : OfKey(null), installation) : null,
            Execution = context.FireInstanceId,
            Origin = firing.Origin,
            Occurrence = toldApart
                ? new LockOccurrence(job, firing.ScheduledTime, IsRetry: firing.Attempts > 0) { Scheduler = installation }
                : null,
            Deferral = firing.Wait?.State,

            // A wake-up replaces the trigger of a deferral, and another node of a cluster may fire it meanwhile: then two firings have
            // one deferral state. A firing that may run again has none: Quartz gives a retry an attempt, and marks a recovery as one,
            // also if its node died between the grant and the job (Firing.Wait).
            MayHaveCopies = firing.Wait is not null,
            EndOfWait = shutdown.EndOf(context.Scheduler),
            Workers = workers,
        };

        string OfKey(TriggerKey? own) => JobName.Of(context.JobDetail.Key, type, policy, own, shared.Contains(type), toldApart);
    }
}
