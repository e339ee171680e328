using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Checks;

/// <summary>
/// Proves that locks work: each primary grants a lock, and this process receives a notification that it sends to itself. A server that
/// answers PING may refuse both.
/// </summary>
internal sealed class StoreCheck(
    IConnectionMultiplexer connection,
    SentinelMonitor? sentinels,
    LockKeys keys,
    ChannelPrefix channelPrefix,
    string processId,
    TimeProvider time)
{
    public const string What = "Checking Redis";

    private static int _checks;

    // Checks of one process may run at the same time.
    private readonly int _check = Interlocked.Increment(ref _checks);

    /// <returns>A warning if something does not work as it should, although locks can be acquired; otherwise null.</returns>
    /// <exception cref="LockStoreException">Some locks cannot be acquired.</exception>
    public async Task<string?> RunAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<(string Name, string Server)> primaries = await PrimariesAsync(cancellationToken).ConfigureAwait(false);
        byte[] prefix = channelPrefix.Known
            ?? await RedisFault.UntilAsync(channelPrefix.AskAsync(connection.GetDatabase()), cancellationToken).ConfigureAwait(false);
        using OwnNotifications notifications = new(connection, keys.Channels.Of(processId));
        string? notSubscribed = await notifications.SubscribeAsync(cancellationToken).ConfigureAwait(false);

        // StackExchange.Redis closes an idle connection whose PING is refused.
        Task<TimeSpan> pinged = RedisFault.Observed(connection.GetDatabase().PingAsync(CommandFlags.DemandMaster));
        Finding[] findings = await Task.WhenAll(primaries.Select(primary => FindAsync(primary.Name, primary.Server))).ConfigureAwait(false);

        LockStoreException[] faults = [.. findings.Select(finding => finding.Fault).OfType<LockStoreException>()];
        if (faults.Length > 0)
        {
            throw new LockStoreException(
                string.Join(' ', faults.Select(fault => fault.Message)),
                faults.Any(fault => fault.MayHaveBeenApplied),
                faults[0].InnerException);
        }

        await RedisFault.UntilAsync(pinged, cancellationToken).ConfigureAwait(false);
        string?[] general = [notSubscribed, sentinels?.Problem()];
        string[] warnings = [.. general.Concat(findings.SelectMany(finding => finding.Warnings)).OfType<string>().Distinct()];
        return warnings.Length == 0 ? null : string.Join(' ', warnings);

        async Task<Finding> FindAsync(string name, string server)
        {
            try
            {
                PrimaryCheck check = new(connection.GetDatabase(), keys, processId, name, server, sentinels?.DownAfter, time);
                return new Finding(
                    await check.RunAsync(prefix, notSubscribed is null ? notifications : null, cancellationToken).ConfigureAwait(false));
            }
            catch (Exception error) when (RedisFault.IsOne(error))
            {
                return new Finding([], RedisFault.Translate(error, $"{What} at {server}"));
            }
            catch (LockStoreException error)
            {
                return new Finding([], error);
            }
        }
    }

    /// <summary>
    /// In a cluster, a name for each primary that serves slots. Otherwise the client library chooses the server for any name.
    /// </summary>
    private async Task<IReadOnlyList<(string Name, string Server)>> PrimariesAsync(CancellationToken cancellationToken)
    {
        IServer[] servers = connection.GetServers();
        ObjectDisposedException.ThrowIf(servers.Length == 0, connection);
        if (ClusterPrimaries.Of(connection, keys, attempt => LockKeys.CheckName(processId, _check, attempt), What) is { } primaries)
        {
            return primaries;
        }

        IServer[] connected = [.. servers.Where(server => server.IsConnected).OrderBy(server => server.IsReplica)];
        if (connected is [{ IsReplica: true } replica, ..])
        {
            throw await WhyNoPrimaryAsync(replica, cancellationToken).ConfigureAwait(false);
        }

        return [(LockKeys.CheckName(processId, _check, 0), Address(connected.Length > 0 ? connected[0] : servers[0]))];
    }

    // The client library sends no write to a replica. The error of the replica itself is the best explanation.
    private async Task<LockStoreException> WhyNoPrimaryAsync(IServer replica, CancellationToken cancellationToken)
    {
        string what = $"{What} at {Address(replica)}";
        try
        {
            await RedisFault.UntilAsync(WriteProbe.SendAsync(replica, keys), cancellationToken).ConfigureAwait(false);
            return new LockStoreException($"{what}: the client library considers it a replica.", mayHaveBeenApplied: false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            return RedisFault.Translate(error, what);
        }
    }

    private string Address(IServer server) => EndPointCollection.ToString(sentinels?.Primary ?? server.EndPoint);

    private sealed record Finding(IReadOnlyList<string> Warnings, LockStoreException? Fault = null);
}
