using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Checks;

/// <summary>
/// Proves what locks live on: each primary grants a lock, and this process hears a notification that it sends to itself. A server
/// that answers PING may refuse both.
/// </summary>
internal sealed class StoreCheck(IConnectionMultiplexer connection, LockKeys keys, Channels channels, string processId, TimeProvider time)
{
    public const string What = "Checking Redis";

    private static int _checks;

    // Checks of one process may run at the same time.
    private readonly int _check = Interlocked.Increment(ref _checks);

    /// <returns>What does not work as it should, although locks can be had; null if there is nothing.</returns>
    /// <exception cref="LockStoreException">Some lock cannot be had.</exception>
    public async Task<string?> RunAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<(string Name, string Server)> primaries = await PrimariesAsync(cancellationToken).ConfigureAwait(false);
        byte[] prefix = channels.Prefix
            ?? await RedisFault.UntilAsync(channels.AskAsync(connection.GetDatabase()), cancellationToken).ConfigureAwait(false);
        using Echo echo = new(connection, keys.Channel(processId));
        string? deaf = await echo.SubscribeAsync(cancellationToken).ConfigureAwait(false);

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
        string[] warnings = [.. findings.SelectMany(finding => finding.Warnings).Prepend(deaf).OfType<string>().Distinct()];
        return warnings.Length == 0 ? null : string.Join(' ', warnings);

        async Task<Finding> FindAsync(string name, string server)
        {
            try
            {
                PrimaryCheck check = new(connection.GetDatabase(), keys, processId, name, server, time);
                return new Finding(await check.RunAsync(prefix, deaf is null ? echo : null, cancellationToken).ConfigureAwait(false));
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

    /// <summary>In a cluster, a name for each primary that serves slots. Elsewhere the client chooses the server for any name.</summary>
    private async Task<IReadOnlyList<(string Name, string Server)>> PrimariesAsync(CancellationToken cancellationToken)
    {
        IServer[] servers = connection.GetServers();
        ObjectDisposedException.ThrowIf(servers.Length == 0, connection);
        if (Shards.Of(connection, keys, attempt => LockKeys.CheckName(processId, _check, attempt), What) is { } shards)
        {
            return shards;
        }

        IServer[] connected = [.. servers.Where(server => server.IsConnected).OrderBy(server => server.IsReplica)];
        if (connected is [{ IsReplica: true } replica, ..])
        {
            throw await WhyNoPrimaryAsync(replica, cancellationToken).ConfigureAwait(false);
        }

        return [(LockKeys.CheckName(processId, _check, 0), Address(connected.Length > 0 ? connected[0] : servers[0]))];
    }

    // The client library sends no write to a replica. The replica itself says best why.
    private async Task<LockStoreException> WhyNoPrimaryAsync(IServer replica, CancellationToken cancellationToken)
    {
        string what = $"{What} at {Address(replica)}";
        try
        {
            await RedisFault.UntilAsync(WriteProbe.SendAsync(replica, keys), cancellationToken).ConfigureAwait(false);
            return new LockStoreException($"{what}: the client library takes it for a replica.", mayHaveBeenApplied: false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            return RedisFault.Translate(error, what);
        }
    }

    private static string Address(IServer server) => EndPointCollection.ToString(server.EndPoint);

    private sealed record Finding(IReadOnlyList<string> Warnings, LockStoreException? Fault = null);
}
