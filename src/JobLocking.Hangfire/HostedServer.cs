using System.Reflection;
using Hangfire;
using Hangfire.Common;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>A server that <c>AddHangfireServer</c> has registered, as far as it is known before it starts.</summary>
/// <param name="Storage">The storage that it uses.</param>
/// <param name="Name">The name that its options give it; null for the one that Hangfire gives.</param>
/// <param name="Filters">Where its options take their filters from; null for those of the process.</param>
/// <param name="HasOwnServices">Whether it runs jobs by services of the container, and ignores the filters of its options.</param>
internal sealed record HostedServer(JobStorage Storage, string? Name, IJobFilterProvider? Filters, bool HasOwnServices)
{
    private const string TypeName = "Hangfire.BackgroundJobServerHostedService";

    /// <remarks>
    /// The registration creates a new server, with new options, each time it is called. So this method creates a second server, reads it,
    /// and never starts it; the user's configuration of the options runs once more. The package of the server is not referenced here.
    /// </remarks>
    public static IEnumerable<HostedServer> In(IServiceProvider services, LockAdapters adapters) =>
        from registration in adapters.HostedServices
        let make = registration.ImplementationFactory
        where make?.GetType().GenericTypeArguments[1].FullName == TypeName
        let server = Of(make, services)
        where server is not null
        select server;

    private static HostedServer? Of(Func<IServiceProvider, object> make, IServiceProvider services)
    {
        object hosted;
        try
        {
            hosted = make(services);
        }
#pragma warning disable CA1031 // User code. The host has run it already, and would have failed with any error that matters.
        catch (Exception)
#pragma warning restore CA1031
        {
            return null;
        }

        using (hosted as IDisposable)
        {
            return Field<JobStorage>(hosted, "_storage") is { } storage
                && Field<BackgroundJobServerOptions>(hosted, "_options") is { } options
                ? new HostedServer(storage, options.ServerName, options.FilterProvider, Field<object>(hosted, "_performer") is not null)
                : null;
        }
    }

    private static T? Field<T>(object of, string name)
        where T : class =>
        of.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(of) as T;
}
