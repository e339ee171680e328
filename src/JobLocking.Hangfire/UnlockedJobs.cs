using Hangfire.Common;
using JobLocking.Policy;

namespace JobLocking.Hangfire;

/// <summary>Jobs that would run without their locks on a server, because its filters lack ours.</summary>
/// <param name="Jobs">The jobs, at most ten.</param>
/// <param name="Why">Why our filter is missing.</param>
/// <param name="Fix">The line to type.</param>
/// <param name="IsCertain">False if it can only be guessed.</param>
internal sealed record UnlockedJobs(string Jobs, string Why, string Fix, bool IsCertain)
{
    private const string OfServer = "services.AddHangfireServer((sp, options) => options.UseTaskLocks(sp)), "
        + "after the options have their FilterProvider. It costs nothing in a server without these jobs.";

    /// <summary>Null if the server has the filter for all jobs.</summary>
    public static UnlockedJobs? In(HostedServer server, HangfireAdapter adapter, IServiceProvider services, IReadOnlyList<JobSample> jobs)
    {
        IJobFilterProvider? registered = (IJobFilterProvider?)services.GetService(typeof(IJobFilterProvider));
        IJobFilterProvider filters = (server.HasOwnServices ? registered : server.Filters) ?? JobFilterProviders.Providers;
        JobSample[] without = [.. jobs.Where(job => !HasOurs(filters, job.Job, adapter))];
        if (without.Length == 0)
        {
            return null;
        }

        (string why, string fix) = 0 switch
        {
            _ when server.HasOwnServices => (
                "An IBackgroundJobPerformer of your own is registered in the container, so that "
                    + "a Hangfire server ignores the filters of its options, "
                    + "and the filters of the process do not include that of JobLocking.",
                "services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp)), and give your IBackgroundJobPerformer, "
                    + "IBackgroundJobStateChanger and IBackgroundJobFactory JobFilterProviders.Providers."),
            _ when ReferenceEquals(filters, JobFilterProviders.Providers) && adapter.OfProcess is not null => (
                "GlobalJobFilters was cleared after UseTaskLocks was called.",
                "Call UseTaskLocks after GlobalJobFilters.Filters.Clear()."),
            _ when ReferenceEquals(filters, JobFilterProviders.Providers) => (
                "UseTaskLocks was called for another server, but not for this one and not for the process.",
                OfServer),
            _ when ReferenceEquals(filters, registered) => (
                "The container has an IJobFilterProvider of its own, "
                    + "which replaces the global filters of Hangfire, including that of UseTaskLocks.",
                OfServer),
            _ => (
                "A Hangfire server has a FilterProvider of its own, "
                    + "which replaces the global filters of Hangfire, including that of UseTaskLocks.",
                OfServer),
        };
        return new UnlockedJobs(Names(without), why, fix, IsCertain: !server.HasOwnServices);
    }

    private static bool HasOurs(IJobFilterProvider filters, Job job, HangfireAdapter adapter)
    {
        try
        {
            return filters.GetFilters(job).Any(filter =>
                filter.Instance is TaskLockFilter || (filter.Instance is ProcessFilter && adapter.OfProcess is not null));
        }
#pragma warning disable CA1031 // User code. If it throws, nothing is known, and nothing is reported.
        catch (Exception)
#pragma warning restore CA1031
        {
            return true;
        }
    }

    private static string Names(JobSample[] jobs) =>
        NameList.FirstTen([.. jobs.Select(job => $"{job.Locked.Policy.Job} (lock '{job.Locked.Policy.Template}')")]);
}
