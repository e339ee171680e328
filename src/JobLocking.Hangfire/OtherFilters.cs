using Hangfire.Common;

namespace JobLocking.Hangfire;

/// <summary>The filters of a server that has a filter of ours for itself: those of a provider, without the one of the process.</summary>
internal sealed class OtherFilters(IJobFilterProvider provider) : IJobFilterProvider
{
    public IEnumerable<JobFilter> GetFilters(Job? job) => provider.GetFilters(job).Where(filter => filter.Instance is not ProcessFilter);
}
