using System.Runtime.CompilerServices;
using Hangfire;
using Hangfire.Storage;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Stores;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire;

/// <summary>
/// Warns of recurring jobs on a storage that belongs to one node, while the nodes share their locks: each node then runs them, one
/// after the other. It checks when the host has started, and when the first such job runs, since many hosts add their recurring jobs
/// later.
/// </summary>
internal sealed class UnsharedStorages(LockPolicies policies, bool sharesLocks, ILogger logger)
{
    private static readonly string[] OfOneProcess = ["InMemoryStorage", "MemoryStorage"];

    private static readonly string[] OfOneNode = [.. OfOneProcess, "SQLiteStorage"];

    /// <summary>The storages of this process that were checked, however many servers work on them.</summary>
    private static readonly ConditionalWeakTable<JobStorage, string> Told = [];

    public static bool IsInMemory(JobStorage storage) => OfOneProcess.Contains(storage.GetType().Name);

    public static UnsharedStorages Of(IServiceProvider services, LockPolicies policies, ILogger logger)
    {
        // Only the in-memory store is part of core. Its locks are those of this process.
        bool sharesLocks = services.GetService(typeof(ILockStore)) is { } store && store.GetType().Assembly != typeof(ILockStore).Assembly;
        UnsharedStorages storages = new(policies, sharesLocks, logger);

        // Only before the host has started: later it may be creating its storage right now, and the container must not be asked for it
        // meanwhile.
        if (sharesLocks && services.GetService(typeof(IHostApplicationLifetime)) is IHostApplicationLifetime host
            && !host.ApplicationStarted.IsCancellationRequested)
        {
            host.ApplicationStarted.Register(() => storages.Check(services));
        }

        return storages;
    }

    /// <summary>Checks the storage of a job that is about to run.</summary>
    public void Check(JobStorage storage, LockExecution execution)
    {
        if (sharesLocks && execution is { Origin: ExecutionOrigin.Recurring, Policy.RunsOncePerStorage: true }
            && !Told.TryGetValue(storage, out _))
        {
            Check(storage);
        }
    }

    private void Check(IServiceProvider services)
    {
        try
        {
            if (services.GetService(typeof(JobStorage)) is JobStorage storage)
            {
                Check(storage);
            }
        }
#pragma warning disable CA1031 // A host without a storage, or one that is stopping.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private void Check(JobStorage storage)
    {
        string type = storage.GetType().Name;
        if (!OfOneNode.Contains(type))
        {
            Told.TryAdd(storage, type);
            return;
        }

        string[] jobs = RunOnEachNode(storage);
        if (jobs.Length > 0 && Told.TryAdd(storage, type))
        {
            Log.RunsOnEachNode(logger, NameList.FirstTen(jobs), type);
        }
    }

    private string[] RunOnEachNode(JobStorage storage)
    {
        try
        {
            using IStorageConnection connection = storage.GetConnection();
            return [.. connection.GetRecurringJobs().Where(RunsOnEachNode).Select(job => job.Id)];
        }
#pragma warning disable CA1031 // Any fault of any storage: a warning must not cost a job.
        catch (Exception)
#pragma warning restore CA1031
        {
            return [];
        }
    }

    private bool RunsOnEachNode(RecurringJobDto job)
    {
        try
        {
            return job.Job is { } known && policies.Find(known.Type, known.Method)?.RunsOncePerStorage == true;
        }
        catch (TaskLockException)
        {
            return false; // The run of the job fails with the same error.
        }
    }
}
