using Hangfire;
using Hangfire.Client;
using Hangfire.Common;
using Hangfire.States;

namespace JobLocking.Hangfire;

/// <summary>
/// Creates the jobs of a client with the filters of the container, and the jobs of a schedule with those of a server of its storage, as
/// Hangfire does if the container has no services for it.
/// </summary>
/// <remarks>
/// It is only here because Hangfire takes all three services from the container, or none. A client looks for the type of the base class.
/// </remarks>
internal sealed class ServerJobFactory(HostedServers servers)
    : BackgroundJobFactory(servers.Unknown.Filters ?? JobFilterProviders.Providers), IBackgroundJobFactory, IStateMachine
{
    /// <summary>Only schedules use it: a client names the first state when it creates a job.</summary>
    IStateMachine IBackgroundJobFactory.StateMachine => this;

    BackgroundJob? IBackgroundJobFactory.Create(CreateContext context) =>
        context.InitialState is null ? servers.Of(context.Storage, serverId: null).Factory.Create(context) : Create(context);

    IState IStateMachine.ApplyState(ApplyStateContext context) =>
        servers.Of(context.Storage, serverId: null).Factory.StateMachine.ApplyState(context);
}
