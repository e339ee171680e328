using System.Collections.Concurrent;
using System.Net;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Which server keeps a lock, and whether it is connected, as far as the client library knows: no request is sent. In a cluster the
/// primary of the slot; otherwise one server for all locks, whichever is the primary now.
/// </summary>
internal sealed class LockServers : IDisposable
{
    /// <summary>The server of all locks outside a cluster, and as long as the cluster is not known.</summary>
    public const string Only = "Redis";

    private readonly ConcurrentDictionary<object, Server> _servers = [];

    private readonly Server _only;

    private Slots? _slots;

    private KnownServers? _known;

    public LockServers(IConnectionMultiplexer connection)
    {
        Connection = connection;
        _only = _servers.GetOrAdd(Only, id => new Server(id));
        connection.ConnectionFailed += OnFailed;
    }

    public IConnectionMultiplexer Connection { get; }

    public LockServer Of(RedisKey key)
    {
        try
        {
            return Ask(key);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            // The connection was closed. The request itself will report that.
            return _only.Seen(isConnected: true);
        }
    }

    /// <summary>
    /// Outside a cluster, two servers that both accept writes: after a failover, the old primary is back. The client library would write
    /// to the first of them, and only one is the right one.
    /// </summary>
    /// <returns>The reason why no lock can be acquired; null with one primary at most.</returns>
    public string? TwoPrimaries()
    {
        KnownServers? known = _known;
        if (known is null || TimeProvider.System.GetElapsedTime(known.SeenAt) >= ConnectionTimes.ServersAreCounted)
        {
            _known = known = new KnownServers(Connection.GetServers());
        }

        return known.TwoPrimaries();
    }

    public void Dispose() => Connection.ConnectionFailed -= OnFailed;

    private LockServer Ask(RedisKey key)
    {
        int slot = Connection.HashSlot(key);
        if (slot < 0 || Primary(slot) is not { } primary)
        {
            return _only.Seen(Connection.GetDatabase().IsConnected(key, CommandFlags.DemandMaster) && TwoPrimaries() is null);
        }

        Server server = _servers.GetOrAdd(primary.EndPoint, static id => new Server(id));
        bool isConnected = primary.IsConnected;
        if (!isConnected)
        {
            AskForSuccessor(server, key);
        }

        return server.Seen(isConnected);
    }

    private IServer? Primary(int slot)
    {
        Slots? slots = _slots;
        if (slots is null || TimeProvider.System.GetElapsedTime(slots.SeenAt) >= ConnectionTimes.ClusterRefresh)
        {
            _slots = slots = Slots.Of(Connection, slots);
        }

        return slots.Primary(slot);
    }

    /// <summary>
    /// A replica may have become primary in its stead. The other members say so when they are asked for one of its keys, and no other
    /// request does that while it is gone. The answer to this request is not awaited and does not matter.
    /// </summary>
    private void AskForSuccessor(Server gone, RedisKey key)
    {
        if (gone.IsToBeReplaced(ConnectionTimes.ClusterRefresh))
        {
            using (ExecutionContext.SuppressFlow())
            {
                _ = Task.Run(() => RedisFault.Observed(Connection.GetDatabase().KeyExistsAsync(key, CommandFlags.DemandMaster)));
            }
        }
    }

    private void OnFailed(object? sender, ConnectionFailedEventArgs failed)
    {
        if (failed.ConnectionType != ConnectionType.Interactive)
        {
            return;
        }

        // Also for a server that no acquire asks about now: its first second begins.
        _only.Lost(Connection.GetDatabase().IsConnected(default, CommandFlags.DemandMaster));
        if (failed.EndPoint is { } at && _servers.TryGetValue(at, out Server? server))
        {
            server.Lost(Connection.GetServers().Any(one => one.IsConnected && at.Equals(one.EndPoint)));
        }
    }

    /// <summary>One server, and since when it is disconnected.</summary>
    private sealed class Server(object id)
    {
        private long _goneSince;

        private int _losses;

        private long _askedAt;

        /// <summary>True once in each pause: the caller then asks for its successor.</summary>
        public bool IsToBeReplaced(TimeSpan pause)
        {
            long now = TimeProvider.System.GetTimestamp();
            long asked = Volatile.Read(ref _askedAt);
            return (asked == 0 || TimeProvider.System.GetElapsedTime(asked, now) >= pause)
                && Interlocked.CompareExchange(ref _askedAt, now, asked) == asked;
        }

        public LockServer Seen(bool isConnected)
        {
            if (isConnected)
            {
                if (Volatile.Read(ref _goneSince) != 0)
                {
                    Volatile.Write(ref _goneSince, 0);
                }

                return new LockServer(id, IsConnected: true, Losses: Volatile.Read(ref _losses));
            }

            long now = TimeProvider.System.GetTimestamp();
            long since = Interlocked.CompareExchange(ref _goneSince, now, 0);
            TimeSpan goneFor = since == 0 ? TimeSpan.Zero : TimeProvider.System.GetElapsedTime(since, now);
            return new LockServer(id, IsConnected: false, goneFor, Volatile.Read(ref _losses));
        }

        public void Lost(bool isBack)
        {
            Interlocked.Increment(ref _losses);
            if (!isBack)
            {
                Interlocked.CompareExchange(ref _goneSince, TimeProvider.System.GetTimestamp(), 0);
            }
        }
    }

    /// <summary>The servers of the connection. What each of them is, is asked of the client library each time.</summary>
    private sealed class KnownServers(IServer[] servers)
    {
        public long SeenAt { get; } = TimeProvider.System.GetTimestamp();

        public string? TwoPrimaries()
        {
            if (servers.Length < 2)
            {
                return null;
            }

            IServer? first = null;
            foreach (IServer server in servers)
            {
                if (server is not { IsConnected: true, IsReplica: false, ServerType: ServerType.Standalone })
                {
                    continue;
                }

                if (first is not null)
                {
                    return $"there are two primaries, {EndPointCollection.ToString(first.EndPoint)} and "
                        + $"{EndPointCollection.ToString(server.EndPoint)}, and locks in one are unknown to the other. Fix: make one of "
                        + "them a replica of the other, or, if sentinels do that, name these and add serviceName to the connection string.";
                }

                first = server;
            }

            return null;
        }
    }

    /// <summary>The primaries of a cluster, by the last answers of its members.</summary>
    private sealed class Slots(IServer[] servers, ClusterConfiguration? cluster)
    {
        private readonly IServer?[] _primaries = new IServer?[cluster is null ? 0 : 16_384];

        public long SeenAt { get; private init; } = TimeProvider.System.GetTimestamp();

        private ClusterConfiguration? Cluster => cluster;

        public static Slots Of(IConnectionMultiplexer connection, Slots? before)
        {
            IServer[] servers = connection.GetServers();
            ClusterConfiguration? cluster = servers.FirstOrDefault(
                server => server is { IsConnected: true, ClusterConfiguration: not null })?.ClusterConfiguration;
            return new Slots(servers, cluster ?? before?.Cluster);
        }

        public IServer? Primary(int slot)
        {
            if (cluster is null)
            {
                return null;
            }

            return _primaries[slot] ??= cluster.GetBySlot(slot)?.EndPoint is { } at ? At(at) : null;
        }

        // Behind a NAT or a tunnel the address that a member announces is not the one under which it is connected.
        private IServer? At(EndPoint announced) =>
            Array.Find(servers, server => server.IsConnected && announced.Equals(Announced(server)))
            ?? Array.Find(servers, server => announced.Equals(server.EndPoint));

        private static EndPoint? Announced(IServer server) =>
            server.ClusterConfiguration?.Nodes.FirstOrDefault(node => node.IsMyself)?.EndPoint;
    }
}
