using System.Collections.Concurrent;
using Hangfire;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>
/// The servers of this host. Hangfire ignores three options of a server that takes its services from the container: its activator, its
/// task scheduler and its filter provider. These services keep them: each call names the storage and the server that it comes from.
/// </summary>
internal sealed class HostedServers : IBackgroundJobPerformer, IBackgroundJobStateChanger
{
    private readonly Lazy<IReadOnlyList<HostedServer>> _all;
    private readonly Lazy<HostedServer> _unknown;
    private readonly ConcurrentDictionary<(JobStorage Storage, string? Server), HostedServer> _met = [];

    /// <remarks>
    /// They are read when they are asked for the first time: while a server is being created, it takes its services from here.
    /// </remarks>
    public HostedServers(IServiceProvider services, LockAdapters adapters)
    {
        _all = new Lazy<IReadOnlyList<HostedServer>>(() => HostedServer.In(services, adapters, unreadable: e => throw e));
        _unknown = new Lazy<HostedServer>(() => HostedServer.Unknown(services));
    }

    /// <exception cref="TaskLockException">The options of one of them would be ignored, because they cannot be read.</exception>
    public IReadOnlyList<HostedServer> All => _all.Value;

    /// <summary>What a client uses, and a server that was not registered with <c>AddHangfireServer</c>.</summary>
    public HostedServer Unknown => _unknown.Value;

    /// <summary>The server that a call comes from.</summary>
    /// <param name="storage">Its storage; null if Hangfire does not say.</param>
    /// <param name="serverId">The id that Hangfire has created from its name; null for any server of the storage.</param>
    public HostedServer Of(JobStorage? storage, string? serverId) => storage is null
        ? Unknown
        : _met.GetOrAdd((storage, serverId), static (call, servers) => servers.Find(call.Storage, call.Server), this);

    public object? Perform(PerformContext context) => Of(context.Storage, context.ServerId).Performer.Perform(context);

    /// <remarks>A client is no server.</remarks>
    public IState? ChangeState(StateChangeContext context) =>
        (context.ServerId is { } id ? Of(context.Storage, id) : Unknown).StateChanger.ChangeState(context);

    /// <summary>Servers that cannot be told apart, and whose options differ.</summary>
    public IEnumerable<string> Problems() =>
        from servers in All.Where(s => !s.HasOwnServices).GroupBy(s => (s.Storage, Name: s.Name?.ToLowerInvariant()))
        from option in (IEnumerable<(string Name, IEnumerable<object?> Values)>)[
            (nameof(BackgroundJobServerOptions.Activator), servers.Select(s => s.Activator)),
            (nameof(BackgroundJobServerOptions.TaskScheduler), servers.Select(s => s.TaskScheduler)),
            (nameof(BackgroundJobServerOptions.FilterProvider), servers.Select(s => ServerFilterProvider.Identity(s.Filters)))]
        where option.Values.Distinct().Skip(1).Any()
        select $"AddHangfireTaskLocks: {servers.Count()} Hangfire servers "
            + (servers.Key.Name is null ? "without a ServerName" : $"with the ServerName '{servers.First().Name}'")
            + $" use one storage ({servers.Key.Storage}), but have different values of {option.Name} in their options, "
            + "and JobLocking cannot tell which of them runs a job. "
            + $"Fix: give each server a ServerName of its own, or all of them one instance as {option.Name}.";

    private HostedServer Find(JobStorage storage, string? serverId)
    {
        HostedServer[] here = [.. All.Where(s => s.Storage == storage)];
        string? name = Installations.NameFrom(serverId);
        return Array.Find(here, s => s.Name is not null && string.Equals(s.Name, name, StringComparison.OrdinalIgnoreCase))
            ?? Array.Find(here, s => s.Name is null)
            ?? here.FirstOrDefault()
            ?? Unknown;
    }
}
