using Hangfire;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire;

/// <summary>The filters of one host: the one for the process, and those of single servers.</summary>
internal sealed class HangfireAdapter(
    IServiceProvider services, LockAdapters adapters, LockPolicies policies, Installations installations, ILogger logger)
    : ILockAdapter
{
    private readonly Lock _adding = new();
    private readonly List<TaskLockFilter> _filters = [];

    // Null if AddHangfireTaskLocks was not called.
    private readonly HostedServers? _complete = (HostedServers?)services.GetService(typeof(HostedServers));

    public Installations Installations => installations;

    public string Scheduler => JobExecution.Scheduler;

    /// <summary>The filter that was registered for the whole process; null if only single servers have one.</summary>
    public TaskLockFilter? OfProcess { get; private set; }

    public void Add(TaskLockFilter filter)
    {
        lock (_adding)
        {
            _filters.Add(filter);
        }
    }

    public void UseForProcess(TaskLockFilter filter) => OfProcess = filter;

    public ValueTask CheckAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<HostedServer> servers = _complete?.All ?? HostedServer.In(services, adapters, unreadable: _ => { });
        foreach (HostedServer server in servers)
        {
            installations.Add(server.Storage!, server.Name);
        }

        foreach (JobStorage storage in servers.Select(server => server.Storage!).Distinct().Where(StorageOptions.CouldSlide))
        {
            Log.CouldSlide(logger, storage.GetType().Name);
        }

        if (OfProcess is { } filter)
        {
            foreach (HostedServer server in servers)
            {
                ProcessFilter.Instance.Bind(server.Storage!, filter);
            }

            // A server that the user's code creates may use this storage, too.
            if (Storage() is { } own)
            {
                ProcessFilter.Instance.Bind(own, filter);
            }
        }

        CheckServices(servers);
        JobSample[] jobs = [.. policies.Jobs.Where(job => !job.IsForQuartz).Select(JobSample.Of).OfType<JobSample>()];
        UnlockedJobs[] absent = [.. servers.Select(server => UnlockedJobs.In(server, this, services, jobs)).OfType<UnlockedJobs>()];
        if (absent.Length == 0)
        {
            return default;
        }

        // These jobs may be meant for another server, and services of the container may have the filter after all.
        if (absent.Length == servers.Count && Array.TrueForAll(absent, a => a.IsCertain))
        {
            throw new TaskLockException(string.Join(
                Environment.NewLine, absent.Select(a => $"Jobs would run without their locks: {a.Jobs}. {a.Why} Fix: {a.Fix}").Distinct()));
        }

        foreach (UnlockedJobs a in absent)
        {
            Log.FilterMissing(logger, a.Jobs, a.Why, a.Fix);
        }

        return default;
    }

    private void CheckServices(IReadOnlyList<HostedServer> servers)
    {
        if (servers.Count == 0)
        {
            return;
        }

        if (_complete is null)
        {
            Log.ServicesMissing(logger);
            return;
        }

        string[] problems = [.. Replaced<IBackgroundJobPerformer, LockedJobPerformer>(),
            .. Replaced<IBackgroundJobStateChanger, DeliveryStateChanger>(), .. _complete.Problems()];
        if (problems.Length > 0)
        {
            throw new TaskLockException(string.Join(Environment.NewLine, problems));
        }

        if (services.GetService(typeof(IBackgroundJobPerformer)) is LockedJobPerformer { GivesTokens: false })
        {
            Log.TokenNotGiven(logger, typeof(PerformContext).Assembly.GetName().Version);
        }
    }

    private IEnumerable<string> Replaced<TService, TOurs>()
    {
        if (services.GetService(typeof(TService)) is { } replaces and not TOurs)
        {
            string service = typeof(TService).Name;
            yield return $"AddHangfireTaskLocks: {service} is registered once more, with {replaces.GetType()}, "
                + $"which replaces that of JobLocking. Fix: call AddHangfireTaskLocks after {service} is registered; yours is kept.";
        }
    }

    private JobStorage? Storage()
    {
        try
        {
            return (JobStorage?)services.GetService(typeof(JobStorage));
        }
#pragma warning disable CA1031 // The user configured no storage, or the code that creates it failed.
        catch (Exception)
#pragma warning restore CA1031
        {
            return null;
        }
    }

    public void End()
    {
        lock (_adding)
        {
            _filters.ForEach(filter => filter.End());
        }

        ProcessFilter.Instance.Forget(OfProcess);
    }
}
