using Hangfire.Common;

namespace JobLocking.Hangfire;

/// <summary>
/// The other filters of a server that has a <see cref="TaskLockFilter"/> of its own: those of a provider, without the filter of the
/// process.
/// </summary>
internal sealed class ServerFilterProvider(IJobFilterProvider provider) : IJobFilterProvider
{
    private readonly IJobFilterProvider _provider = provider;

    public IEnumerable<JobFilter> GetFilters(Job? job) => _provider.GetFilters(job).Where(filter => filter.Instance is not ProcessFilter);

    /// <summary>Equal for providers that give the same filters, apart from the filter that each server has of its own.</summary>
    public static object Identity(IJobFilterProvider? filters) =>
        filters is JobFilterProviderCollection all && all.OfType<ServerFilterProvider>().FirstOrDefault() is { _provider: var others }
            ? (others, HasOurs: true)
            : (filters ?? JobFilterProviders.Providers, HasOurs: false);
}
