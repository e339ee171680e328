using JobLocking.Quartz.Firings;
using JobLocking.Quartz.Telemetry;
using Microsoft.Extensions.Logging;
using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz.Hosting;

/// <summary>Checks the locks of the jobs that a scheduler knows, before it fires the first.</summary>
internal sealed class CheckPlugin(SchedulerChecks checks, KeyedPolicies policies, ILogger logger) : ISchedulerPlugin
{
    private IScheduler? _scheduler;
    private bool _checked;

    public ValueTask Initialize(string pluginName, IScheduler scheduler, CancellationToken cancellationToken = default)
    {
        // Its jobs are not known yet.
        _scheduler = scheduler;
        checks.Add(this);
        return default;
    }

    /// <summary>Quartz calls it when the scheduler starts, which may be long after the host has; so the host's start calls it first.</summary>
    /// <exception cref="TaskLockException">The lock of a job is declared wrongly.</exception>
    public async ValueTask Start(CancellationToken cancellationToken = default)
    {
        if (_checked)
        {
            return;
        }

        HashSet<JobKey> unknown = [.. policies.ByKey.Keys];
        List<string> problems = [];
        PagedResult<JobHeader> jobs = await _scheduler!.QueryJobs(new JobQuery { Take = PagedQuery.All }, cancellationToken).ConfigureAwait(false);
        foreach (JobHeader job in jobs.Items)
        {
            unknown.Remove(job.Key);
            try
            {
                Check(job);
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

        foreach (JobKey job in unknown)
        {
            Log.UnknownJob(logger, policies.ByKey[job].Template, job, _scheduler.SchedulerName);
        }

        _checked = true;
    }

    private void Check(JobHeader job)
    {
        // A job of another application in the same store may have a type that is not here; then it cannot fire here either.
        Type? type = new JobType(job.JobTypeName).TryResolve(out Type? resolved) ? resolved : null;
        if (policies.Find(job.Key, type) is { } policy)
        {
            JobIdentity.Of(job.Key, type, policy);
        }
    }
}
