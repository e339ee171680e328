using System.Reflection;
using Hangfire;
using Hangfire.Client;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.Engine;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Hangfire;

/// <summary>A server that <c>AddHangfireServer</c> has registered, as far as it is known before it starts.</summary>
/// <param name="Storage">The storage that it uses; null for a server that is not known.</param>
/// <param name="Name">The name that its options give it; null for the one that Hangfire gives.</param>
/// <param name="Filters">Where its options take their filters from; null for those of the process.</param>
/// <param name="Activator">What creates the instances of its jobs; null for the activator of the process.</param>
/// <param name="TaskScheduler">Where its options start asynchronous jobs; null for the thread of the worker.</param>
/// <param name="HasOwnServices">Whether services of the user run its jobs, so that it ignores these options.</param>
internal sealed record HostedServer(
    JobStorage? Storage,
    string? Name,
    IJobFilterProvider? Filters,
    JobActivator? Activator,
    TaskScheduler? TaskScheduler,
    bool HasOwnServices)
{
    private const string TypeName = "Hangfire.BackgroundJobServerHostedService";

    /// <summary>The three services that Hangfire would create for this server, if the container had none.</summary>
    public IBackgroundJobPerformer Performer { get; } = new BackgroundJobPerformer(
        Filters ?? JobFilterProviders.Providers, Activator ?? JobActivator.Current, TaskScheduler);

    /// <inheritdoc cref="Performer"/>
    public IBackgroundJobStateChanger StateChanger { get; } = new BackgroundJobStateChanger(Filters ?? JobFilterProviders.Providers);

    /// <inheritdoc cref="Performer"/>
    public IBackgroundJobFactory Factory { get; } = new BackgroundJobFactory(Filters ?? JobFilterProviders.Providers);

    /// <remarks>
    /// The registration creates a new server, with new options, each time it is called. So this method creates a second server, reads it,
    /// and never starts it; the user's configuration of the options runs once more. The package of the server is not referenced here.
    /// </remarks>
    /// <param name="services">The services of the host.</param>
    /// <param name="adapters">Have the registrations.</param>
    /// <param name="unreadable">Called for each server that cannot be read.</param>
    public static IReadOnlyList<HostedServer> In(IServiceProvider services, LockAdapters adapters, Action<TaskLockException> unreadable)
    {
        List<HostedServer> servers = [];
        foreach (ServiceDescriptor registration in adapters.HostedServices)
        {
            if (registration.ImplementationFactory is { } make && make.GetType().GenericTypeArguments[1].FullName == TypeName)
            {
                try
                {
                    servers.Add(Of(make, services));
                }
                catch (TaskLockException e)
                {
                    unreadable(e);
                }
            }
        }

        return servers;
    }

    /// <summary>
    /// A client, or a server whose options are not known: Hangfire then asks the container, and takes what the process has otherwise.
    /// </summary>
    public static HostedServer Unknown(IServiceProvider services) => new(
        Storage: null,
        Name: null,
        (IJobFilterProvider?)services.GetService(typeof(IJobFilterProvider)),
        (JobActivator?)services.GetService(typeof(JobActivator)),
        TaskScheduler.Default,
        HasOwnServices: false);

    private static HostedServer Of(Func<IServiceProvider, object> make, IServiceProvider services)
    {
        object hosted;
        try
        {
            hosted = make(services);
        }
        catch (Exception e)
        {
            throw Unreadable($"the code that creates them throws when it is called once more: {e.Message}", e);
        }

        using (hosted as IDisposable)
        {
            return Field<JobStorage>(hosted, "_storage") is { } storage
                && Field<BackgroundJobServerOptions>(hosted, "_options") is { } options
                ? new HostedServer(
                    storage,
                    options.ServerName,
                    options.FilterProvider,
                    options.Activator,
                    options.TaskScheduler,
                    Field<IBackgroundJobPerformer>(hosted, "_performer") is not (null or LockedJobPerformer { Inner: HostedServers }))
                : throw Unreadable("this version of Hangfire.NetCore keeps them elsewhere.", cause: null);
        }
    }

    private static TaskLockException Unreadable(string why, Exception? cause) => new(
        $"AddHangfireTaskLocks: the options of a Hangfire server cannot be read, and would be ignored: {why} "
        + "Fix: let AddHangfireServer be configured by code that can run twice, or update JobLocking.Hangfire.",
        cause);

    private static T? Field<T>(object of, string name)
        where T : class =>
        of.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic)?.GetValue(of) as T;
}
