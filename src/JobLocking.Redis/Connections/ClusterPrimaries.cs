using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>The primaries of a cluster, each with the name of a lock that it keeps.</summary>
internal static class ClusterPrimaries
{
    private const int Slots = 16384;

    // Enough to find a name for a primary with one slot. Primaries with slots of the same number need a few attempts.
    private const int MostAttempts = 200_000;

    /// <returns>Null outside a cluster, where the client library chooses the server for any name.</returns>
    /// <exception cref="LockStoreException">Some slots are served by no primary.</exception>
    public static IReadOnlyList<(string Name, string Server)>? Of(
        IConnectionMultiplexer connection, LockKeys keys, Func<int, string> attempt, string what)
    {
        IServer[] members = [.. connection.GetServers().Where(server => server is { IsConnected: true, ServerType: ServerType.Cluster })];
        if (members.Length == 0)
        {
            return null;
        }

        // The client library keeps the last answer of each member. The answer with most slots is the least outdated.
        ClusterConfiguration? cluster = members.Select(member => member.ClusterConfiguration).OfType<ClusterConfiguration>().MaxBy(Served);
        int missing = Slots - (cluster is null ? 0 : Served(cluster));
        if (missing > 0)
        {
            throw new LockStoreException(
                $"{what}: no server of the cluster serves {missing} of the {Slots} slots, and the locks in them cannot be acquired.",
                mayHaveBeenApplied: false);
        }

        int count = Primaries(cluster!).Count();
        Dictionary<ClusterNode, (string, string)> found = [];
        for (int i = 0; found.Count < count; i++)
        {
            string name = attempt(i);
            if (cluster!.GetBySlot(connection.HashSlot(keys.Lock(name))) is { } node)
            {
                found.TryAdd(node, (name, EndPointCollection.ToString(node.EndPoint)));
            }

            if (i == MostAttempts)
            {
                throw new LockStoreException(
                    $"{what}: no name was found for one of the primaries of the cluster.", mayHaveBeenApplied: false);
            }
        }

        return [.. found.Values];
    }

    private static int Served(ClusterConfiguration cluster) =>
        Primaries(cluster).Sum(node => node.Slots.Sum(range => range.To - range.From + 1));

    private static IEnumerable<ClusterNode> Primaries(ClusterConfiguration cluster) =>
        cluster.Nodes.Where(node => node is { IsReplica: false, Slots.Count: > 0 });
}
