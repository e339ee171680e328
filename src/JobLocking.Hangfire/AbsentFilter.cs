using Hangfire.Common;

namespace JobLocking.Hangfire;

/// <summary>A server whose filters lack ours, so that jobs would run there without their locks.</summary>
/// <param name="Jobs">The jobs, at most ten.</param>
/// <param name="Why">What has kept our filter away.</param>
/// <param name="Fix">The line to type.</param>
/// <param name="IsCertain">Whether it can be seen, rather than supposed.</param>
internal sealed record AbsentFilter(string Jobs, string Why, string Fix, bool IsCertain)
{
    private const int MostNamed = 10;

    private const string OfServer = "services.AddHangfireServer((sp, options) => options.UseTaskLocks(sp)), "
        + "after the options have their FilterProvider. It costs nothing in a server without these jobs.";

    /// <summary>Null if the server has the filter for all jobs.</summary>
    public static AbsentFilter? In(HostedServer server, HangfireAdapter adapter, IServiceProvider services, IReadOnlyList<JobSample> jobs)
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
                "IBackgroundJobFactory, IBackgroundJobStateChanger and IBackgroundJobPerformer are registered in the container, so that "
                    + "a Hangfire server ignores the filters of its options, and the filters of the process do not include that of JobLocking.",
                "services.AddHangfire((sp, configuration) => configuration.UseTaskLocks(sp)), "
                    + "and give these services JobFilterProviders.Providers."),
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
        return new AbsentFilter(Names(without), why, fix, IsCertain: !server.HasOwnServices);
    }

    private static bool HasOurs(IJobFilterProvider filters, Job job, HangfireAdapter adapter)
    {
        try
        {
            return filters.GetFilters(job).Any(filter =>
                filter.Instance is TaskLockFilter || (filter.Instance is ProcessFilter && adapter.OfProcess is not null));
        }
#pragma warning disable CA1031 // The code of the user: what it does not tell is not held against it.
        catch (Exception)
#pragma warning restore CA1031
        {
            return true;
        }
    }

    private static string Names(JobSample[] jobs) =>
        string.Join(", ", jobs.Take(MostNamed).Select(job => $"{job.Locked.Policy.Job} (lock '{job.Locked.Policy.Template}')"))
        + (jobs.Length > MostNamed ? $" and {jobs.Length - MostNamed} more" : "");
}
