using System.Runtime.CompilerServices;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Stores;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Describes the firings of one scheduler to the engine.</summary>
internal sealed class JobExecution(
    KeyedPolicies policies, AmbiguousJobTypes shared, Occurrences occurrences, SchedulerShutdown shutdown, LockEngine engine)
{
    private readonly SchedulerFacts.Cache _facts = new();
    private string? _scheduler;
    private string? _installation;

    /// <summary>The firing, with its occurrence, as an execution; null if its job has no lock.</summary>
    /// <exception cref="TaskLockException">
    /// The lock is declared wrongly, its name cannot be resolved, or the occurrences of the trigger cannot be told apart.
    /// </exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<(Firing Firing, LockExecution Execution)?> DescribeAsync(Firing firing)
    {
        IJobExecutionContext context = firing.Context;
        Type? type = context.JobDetail.JobType.TryResolve(out Type? resolved) ? resolved : null;
        if (policies.Find(context.JobDetail.Key, type) is not { } policy)
        {
            return null;
        }

        if (firing is { IsOfSchedule: true, Deferred: null, Recovering: false })
        {
            bool always = policy.OncePerOccurrence == OncePerOccurrence.Always;
            await shared.SawAsync(type, context.JobDetail.Key, context.Trigger, always, context.Scheduler).ConfigureAwait(false);
        }

        SchedulerFacts scheduler = await _facts.OfAsync(context.Scheduler).ConfigureAwait(false);
        firing = await occurrences.ResolveAsync(firing, policy, type, scheduler).ConfigureAwait(false);
        return (firing, Describe(firing, policy, type, scheduler.Workers));
    }

    private LockExecution Describe(Firing firing, LockPolicy policy, Type? type, LockWorkers workers)
    {
        IJobExecutionContext context = firing.Context;
        string installation = _installation ??= JobIdentity.InstallationOf(context.Scheduler, engine);
        TriggerKey? withData = TriggerData.IsOwn(context.Trigger.JobDataMap) ? firing.Trigger : null;
        string job = JobName.Of(context.JobDetail.Key, type, !shared.Identifies(type, context.JobDetail.Key));
        return new LockExecution
        {
            Policy = policy,
            Name = policy.ResolveName(new PlaceholderValues(context, type, policy).ValueOf),
            Scheduler = _scheduler ??= $"Quartz/{context.Scheduler.SchedulerName}",
            Job = JobName.With(job, withData),
            Identity = policy.ComparesJobs ? JobIdentity.Of(context, type, job, installation) : null,
            Execution = context.FireInstanceId,
            Origin = firing.Origin,
            AsksWhetherHolderAnswers = true,
            Occurrence = firing.Occurrence is { } occurrence
                ? new LockOccurrence(job, occurrence.Time, IsRetry: firing.Attempts > 0)
                {
                    Scheduler = installation,
                    Trigger = JobName.IsGenerated(firing.Trigger) && withData is null ? "" : JobName.Of(firing.Trigger),
                }
                : null,
            Following = firing.Occurrence?.Following,
            Deferral = firing.Wait?.State,

            // A wake-up replaces the trigger of a deferral, and another node of a cluster may fire it meanwhile: then two firings have
            // one deferral state. A firing that may run again has none: Quartz gives a retry an attempt, and marks a recovery as one,
            // also if its node died between the grant and the job (Firing.Wait).
            MayHaveCopies = firing.Wait is not null,
            EndOfWait = shutdown.EndOf(context.Scheduler),
            Workers = workers,
        };
    }
}
