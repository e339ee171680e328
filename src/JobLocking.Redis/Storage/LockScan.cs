using System.Runtime.CompilerServices;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>Lists the locks on one server: keys page by page, and the values of a page in one go.</summary>
/// <remarks>A lock that was <paramref name="seen"/> on any server is not listed again: SCAN may find a key twice.</remarks>
internal sealed class LockScan(IDatabase database, IServer server, LockKeys keys, HashSet<string> seen)
{
    /// <summary>All servers that keep locks. Throws if a primary of a cluster cannot be reached.</summary>
    public static IReadOnlyList<IServer> Servers(IConnectionMultiplexer connection, LockKeys keys, string what)
    {
        IServer[] connected = [.. connection.GetServers().Where(server => server is { IsConnected: true, IsReplica: false })];
        if (ClusterPrimaries.Of(connection, keys, attempt => LockKeys.CheckName("", 0, attempt), what) is { } primaries)
        {
            // Instead of a primary that it cannot reach, the client library returns another server.
            IServer[] serving =
            [
                .. primaries.Select(primary => ServerOf(primary.Name))
                    .OfType<IServer>()
                    .Where(server => server.IsConnected)
                    .DistinctBy(server => server.EndPoint),
            ];
            return serving.Length == primaries.Count
                ? serving
                : throw Unreachable($"one of the primaries {string.Join(", ", primaries.Select(primary => primary.Server))}");
        }

        return connected.Length > 0 ? connected : throw Unreachable("Redis");

        IServer? ServerOf(string name)
        {
            try
            {
                return connection.GetServer(keys.Lock(name), flags: CommandFlags.DemandMaster);
            }
            catch (InvalidOperationException)
            {
                return null;
            }
        }

        LockStoreException Unreachable(string server) => new($"{what}: {server} cannot be reached.", mayHaveBeenApplied: false);
    }

    public async IAsyncEnumerable<HeldLock> RunAsync(
        string? prefix, string what, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IAsyncEnumerator<RedisKey> found = server.KeysAsync(
            database.Database, keys.Pattern(prefix), StorageLimits.ScannedKeys).GetAsyncEnumerator(cancellationToken);
        await using (found.ConfigureAwait(false))
        {
            for (bool more = true; more;)
            {
                List<HeldLock> page;
                try
                {
                    (page, more) = await PageAsync(found, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception error) when (error is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
                {
                    throw RedisFault.Translate(error, what);
                }

                foreach (HeldLock held in page)
                {
                    yield return held;
                }
            }
        }
    }

    private async Task<(List<HeldLock> Held, bool More)> PageAsync(IAsyncEnumerator<RedisKey> found, CancellationToken cancellationToken)
    {
        List<(string Name, Task<RedisResult> Sent)> page = new(StorageLimits.ListedLocks);
        bool more = false;
        while (page.Count < StorageLimits.ListedLocks && (more = await found.MoveNextAsync().ConfigureAwait(false)))
        {
            if (keys.NameOfLock(found.Current) is { } name && seen.Add(name))
            {
                DerivedKeys derived = keys.Derived(name);
                page.Add((name, RedisFault.Observed(LockScripts.List.EvaluateAsync(
                    database, [found.Current, derived.Queue, derived.Waiters, derived.Holders], []).AsTask())));
            }
        }

        List<HeldLock> held = new(page.Count);
        foreach ((string name, Task<RedisResult> sent) in page)
        {
            RedisResult reply = await RedisFault.UntilAsync(sent, cancellationToken).ConfigureAwait(false);
            if (!reply.IsNull)
            {
                held.AddRange(Held(name, reply));
            }
        }

        return (held, more);
    }

    private static IEnumerable<HeldLock> Held(string name, RedisResult reply)
    {
        LockWaiter[] waiters = [.. ((RedisResult[])reply[1]!).Chunk(2).Select(Waiter).OfType<LockWaiter>()];
        foreach (RedisResult[] holder in ((RedisResult[])reply[0]!).Chunk(2))
        {
            LockValue value = LockValue.Parse(ScriptReply.Bytes(holder[0]));
            yield return new HeldLock(name, value.Holder, value.FencingToken, ScriptReply.TimeLeft(holder[1]), value.IsKept, waiters);
        }
    }

    // A foreign client may have left anything under the keys of the queue.
    private static LockWaiter? Waiter(RedisResult[] entry) =>
        WaiterValue.Holder(ScriptReply.Bytes(entry[1])) is { } waiter && (double)entry[0] is >= 0 and < 9e15 and var since
            ? new LockWaiter(waiter, DateTimeOffset.UnixEpoch.AddMicroseconds(since))
            : null;
}
