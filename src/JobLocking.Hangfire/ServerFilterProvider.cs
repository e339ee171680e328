using Hangfire.Common;

namespace JobLocking.Hangfire;

/// <summary>
/// The other filters of a server that has a <see cref="TaskLockFilter"/> of its own: those of a provider, without the filter of the
/// process.
/// </summary>
internal sealed class ServerFilterProvider(IJobFilterProvider provider) : IJobFilterProvider
{
    public IEnumerable<JobFilter> GetFilters(Job? job) => provider.GetFilters(job).Where(filter => filter.Instance is not ProcessFilter);
}
