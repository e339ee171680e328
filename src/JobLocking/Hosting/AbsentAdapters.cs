using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hosting;

/// <summary>Finds the servers of schedulers in a host where no adapter takes the locks of their jobs.</summary>
internal static class AbsentAdapters
{
    /// <exception cref="TaskLockException">The host runs a server for jobs that have locks, and no adapter.</exception>
    public static void Check(LockPolicies policies, LockAdapters adapters, ILogger logger)
    {
        HashSet<string> hosted = [.. adapters.HostedTypes()];
        foreach (Scheduler scheduler in Known)
        {
            LockedJob[] jobs = [.. policies.Jobs.Where(job => job.IsForQuartz == scheduler.IsQuartz && (job.IsForQuartz || HasWork(job)))];
            if (jobs.Length == 0 || adapters.All.Any(a => a.Scheduler == scheduler.Name))
            {
                continue;
            }

            string why = scheduler.Why + (adapters.Count(scheduler.Configuration) is var count and > 1
                ? $" {scheduler.Adds} is called {count} times, and only the last configuration counts." : "");
            if (hosted.Contains(scheduler.Server))
            {
                throw new TaskLockException($"Jobs would run without their locks: {Names(jobs)}. {why} Fix: {scheduler.Fix}");
            }

            if (scheduler.ByHand is not null && hosted.Contains(scheduler.ByHand))
            {
                Log.AdapterMissing(logger, Names(jobs), why, scheduler.Fix);
            }
        }
    }

    /// <summary>A type without a method is a marker, not a job.</summary>
    private static bool HasWork(LockedJob job) =>
        job.Method is not null || job.Type.GetMethods().Any(method => method.DeclaringType != typeof(object));

    /// <summary>The names of the jobs for messages, at most ten.</summary>
    public static string Names(IReadOnlyCollection<LockedJob> jobs) =>
        NameList.FirstTen([.. jobs.Select(job => $"{job.Policy.Job} (lock '{job.Policy.Template}')")]);

    private static readonly Scheduler[] Known =
    [
        new(
            "Hangfire",
            IsQuartz: false,
            Server: "Hangfire.BackgroundJobServerHostedService",
            ByHand: "Hangfire.BackgroundProcessingServerHostedService",
            Configuration: "Hangfire.IGlobalConfiguration",
            Adds: "AddHangfire",
            Why: "This host runs a Hangfire server, but its configuration does not call UseTaskLocks with the services of this host.",
            Fix: "services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp)), from the package JobLocking.Hangfire. "
                + "It costs nothing in a server without these jobs."),
        new(
            "Quartz",
            IsQuartz: true,
            Server: "Quartz.QuartzHostedService",
            ByHand: null,
            Configuration: "",
            Adds: "",
            Why: "This host runs a Quartz scheduler, but its configuration does not call AddTaskLocks.",
            Fix: "services.AddQuartz(q => q.AddTaskLocks()), from the package JobLocking.Quartz. "
                + "It costs nothing in a scheduler without these jobs."),
    ];

    /// <summary>
    /// A kind of scheduler: the hosted service that runs its jobs, the one that runs a server that the user creates, the service that
    /// each configuration registers, and the method that registers it.
    /// </summary>
    private sealed record Scheduler(
        string Name, bool IsQuartz, string Server, string? ByHand, string Configuration, string Adds, string Why, string Fix);
}
