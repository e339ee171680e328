using JobLocking.Policy;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz;

/// <summary>Finds jobs with locks in schedulers of a host without AddTaskLocks, while another scheduler has it.</summary>
internal static class UnlockedJobs
{
    /// <param name="services">The services of the host.</param>
    /// <param name="locked">The names of the schedulers with AddTaskLocks.</param>
    /// <param name="logger">Where to warn.</param>
    /// <param name="cancellationToken">The start was given up.</param>
    public static async Task WarnAsync(
        IServiceProvider services, IReadOnlySet<string> locked, ILogger logger, CancellationToken cancellationToken)
    {
        // The registry also asks schedulers of other processes, which may take long, so only if there is a scheduler to ask about.
        if (services.GetService<ISchedulerRegistry>() is not { } registry
            || services.GetService<ISchedulerRepository>() is not { } repository
            || repository.LookupAll().All(scheduler => locked.Contains(scheduler.SchedulerName)))
        {
            return;
        }

        KeyedPolicies policies = new(services.GetRequiredService<LockPolicies>(), new QuartzTaskLockOptions());
        List<SchedulerRegistration> registered;
        try
        {
            registered = await registry.QuerySchedulers(cancellationToken).ConfigureAwait(false);
        }
        catch (SchedulerException)
        {
            return; // If the store does not answer, the start of the scheduler reports it.
        }

        HashSet<string> unlocked =
        [
            .. from scheduler in registered
               where scheduler is { Origin: SchedulerOrigin.Container, IsCreated: true } && !locked.Contains(scheduler.Name)
               select scheduler.Name,
        ];
        foreach (IScheduler scheduler in repository.LookupAll().Where(s => unlocked.Contains(s.SchedulerName)))
        {
            List<string> jobs = await WithLocksAsync(scheduler, policies, cancellationToken).ConfigureAwait(false);
            if (jobs.Count > 0)
            {
                Log.SchedulerUnlocked(logger, scheduler.SchedulerName, NameList.FirstTen(jobs));
            }
        }
    }

    private static async Task<List<string>> WithLocksAsync(
        IScheduler scheduler, KeyedPolicies policies, CancellationToken cancellationToken)
    {
        List<string> jobs = [];
        try
        {
            JobQuery all = new() { Take = PagedQuery.All };
            foreach (JobHeader job in (await scheduler.QueryJobs(all, cancellationToken).ConfigureAwait(false)).Items)
            {
                if (StartCheck.TypeOf(job) is { } type && policies.Find(type) is { } policy)
                {
                    jobs.Add($"{job.Key} (lock '{policy.Template}')");
                }
            }
        }
        catch (SchedulerException)
        {
            // Its store does not answer. Quartz reports that.
        }

        return jobs;
    }
}
