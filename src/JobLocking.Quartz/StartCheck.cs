using System.Reflection;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.Logging;
using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz;

/// <summary>Checks the locks of the jobs that a scheduler knows, before it fires the first.</summary>
internal sealed class StartCheck(
    StartChecks checks,
    KeyedPolicies policies,
    AmbiguousJobTypes shared,
    ToldTriggers told,
    LockAdapters adapters,
    DelegateHandlers handlers,
    ILogger logger) : ISchedulerPlugin
{
    private IScheduler? _scheduler;
    private bool _checked;

    public string Scheduler => _scheduler?.SchedulerName ?? "";

    public ValueTask Initialize(string pluginName, IScheduler scheduler, CancellationToken cancellationToken = default)
    {
        // Its jobs are not known yet.
        _scheduler = scheduler;
        checks.Add(this);
        return default;
    }

    /// <summary>
    /// Quartz calls this when the scheduler starts, which may be long after the start of the host, so the host calls it first.
    /// </summary>
    /// <exception cref="TaskLockException">The lock of a job is declared wrongly.</exception>
    public async ValueTask Start(CancellationToken cancellationToken = default)
    {
        if (_checked)
        {
            return;
        }

        HashSet<JobKey> unknown = [.. policies.ByKey.Keys];
        List<string> problems = [];
        List<string> notToldApart = [];
        SchedulerFacts facts = await SchedulerFacts.OfAsync(_scheduler!).ConfigureAwait(false);
        JobQuery all = new() { Take = PagedQuery.All };
        PagedResult<JobHeader> jobs = await _scheduler!.QueryJobs(all, cancellationToken).ConfigureAwait(false);
        (JobKey Key, Type? Type)[] known = [.. jobs.Items.Select(job => (job.Key, TypeOf(job)))];
        foreach (IGrouping<Type?, JobKey> generated in
            known.Where(job => JobName.IsGenerated(job.Key)).GroupBy(job => job.Type, job => job.Key))
        {
            if (generated.Key is { } type && generated.Count() > 1
                && await CountAsync(type, generated, cancellationToken).ConfigureAwait(false) > 1)
            {
                shared.Add(type);
            }
        }

        foreach ((JobKey key, Type? type) in known)
        {
            unknown.Remove(key);
            try
            {
                PlaceholderValues.Check(policies.Find(key, type), type);
                await CheckAsync(key, type, facts.IsClustered, notToldApart, cancellationToken).ConfigureAwait(false);
            }
            catch (TaskLockException e)
            {
                problems.Add(e.Message);
            }
        }

        if (problems.Count > 0)
        {
            throw new TaskLockException(string.Join(Environment.NewLine, problems.Distinct()));
        }

        if (notToldApart.Count > 0)
        {
            Log.NotOncePerOccurrence(logger, _scheduler.SchedulerName, NameList.FirstTen(notToldApart, separator: ""));
        }

        foreach (JobKey job in unknown)
        {
            Log.UnknownJob(logger, policies.ByKey[job].Template, job, _scheduler.SchedulerName);
        }

        _checked = true;
    }

    /// <summary>Null for a job of another application in the same store, whose type is not loaded here: it cannot fire here.</summary>
    public static Type? TypeOf(JobHeader job) => new JobType(job.JobTypeName).TryResolve(out Type? type) ? type : null;

    private async ValueTask CheckAsync(
        JobKey job, Type? type, bool isClustered, List<string> notToldApart, CancellationToken cancellationToken)
    {
        LockPolicy? policy = policies.Find(job, type);
        if (policy is null)
        {
            RefuseHandler(job);
            WarnOfArgument(job, type);
            return;
        }

        // One definition of the triggers, and one firing of each fire time, for all nodes.
        if (isClustered)
        {
            adapters.Use(policy, $"Quartz/{Scheduler}");
            return;
        }

        List<TriggerKey> inLocalTime = [];
        foreach (ITrigger trigger in await TriggersOfAsync(job, cancellationToken).ConfigureAwait(false))
        {
            Judge(policy, job, type, trigger, notToldApart);
            if (ZoneOf(trigger) is { } zone && zone.Equals(TimeZoneInfo.Local))
            {
                inLocalTime.Add(trigger.Key);
            }
        }

        string triggersInLocalTime = NameList.FirstTen(inLocalTime.ConvertAll(key => key.ToString()));
        adapters.Use(
            policy,
            $"Quartz/{Scheduler}",
            inLocalTime.Count == 0 ? null : $"in the time zone of this machine, {TimeZoneInfo.Local.Id}: {triggersInLocalTime}");
    }

    /// <summary>How many of the jobs of a type have triggers whose firings may be occurrences.</summary>
    private async ValueTask<int> CountAsync(Type type, IEnumerable<JobKey> jobs, CancellationToken cancellationToken)
    {
        int count = 0;
        foreach (JobKey job in jobs)
        {
            try
            {
                bool always = policies.Find(job, type)?.OncePerOccurrence == OncePerOccurrence.Always;
                List<ITrigger> triggers = await TriggersOfAsync(job, cancellationToken).ConfigureAwait(false);
                count += triggers.Exists(trigger => AmbiguousJobTypes.Counts(trigger, always)) ? 1 : 0;
            }
            catch (TaskLockException)
            {
                // Its lock is declared wrongly, and stops the host below.
            }
        }

        return count;
    }

    private async ValueTask<List<ITrigger>> TriggersOfAsync(JobKey job, CancellationToken cancellationToken)
    {
        List<ITrigger> found = [];
        TriggerQuery ofJob = new() { Job = job, Take = PagedQuery.All };
        PagedResult<TriggerHeader> triggers = await _scheduler!.QueryTriggers(ofJob, cancellationToken).ConfigureAwait(false);
        foreach (TriggerKey key in triggers.Items.Select(t => t.Key).Where(key => key.Group != StoredDeferral.Group))
        {
            if (await _scheduler.GetTrigger(key, cancellationToken).ConfigureAwait(false) is { } trigger)
            {
                found.Add(trigger);
            }
        }

        return found;
    }

    private void Judge(LockPolicy policy, JobKey job, Type? type, ITrigger trigger, List<string> notToldApart)
    {
        bool always = policy.OncePerOccurrence == OncePerOccurrence.Always;
        if (!policy.RunsOccurrencesOnce(isClustered: false)
            || OccurrenceRule.Judge(job, type, shared.Contains(type), trigger, always) is not { } problem
            || problem == NotToldApart.FiresOnce)
        {
            return;
        }

        if (always)
        {
            throw Occurrences.Refusal(policy, job, trigger.Key, problem);
        }

        if (told.Add(trigger.Key))
        {
            notToldApart.Add(Occurrences.Describe(policy, job, trigger.Key, problem));
        }
    }

    private static TimeZoneInfo? ZoneOf(ITrigger trigger) => trigger switch
    {
        ICronTrigger cron => cron.TimeZone,
        IDailyTimeIntervalTrigger daily => daily.TimeZone,
        ICalendarIntervalTrigger interval => interval.TimeZone,
        IRecurrenceTrigger recurrence => recurrence.TimeZone,
        _ => null,
    };

    private void RefuseHandler(JobKey job)
    {
        if (handlers.Of(_scheduler!, job) is { } method && method.GetCustomAttribute<TaskLockAttribute>() is { } taskLock)
        {
            throw new TaskLockException(
                $"Lock '{taskLock.Name}' of job {job}: [TaskLock] is on the method of a delegate job, "
                + $"{method.DeclaringType}.{method.Name}, where it has no effect. "
                + $"Fix: q.AddTaskLocks(o => o.ForJob(new JobKey(\"{job.Name}\", \"{job.Group}\"), "
                + $"new TaskLockAttribute(\"{taskLock.Name}\"))).");
        }
    }

    /// <summary>A wrapper, <c>Scoped&lt;ReportJob&gt;</c>, runs another job inside, without the lock of that job.</summary>
    private void WarnOfArgument(JobKey job, Type? type)
    {
        foreach (Type inner in type is { IsGenericType: true } ? type.GenericTypeArguments.Where(typeof(IJob).IsAssignableFrom) : [])
        {
            if (policies.Find(inner) is { } policy)
            {
                Log.WrapperUnlocked(logger, job, Scheduler, type!, policy.Template, inner);
            }
        }
    }
}
