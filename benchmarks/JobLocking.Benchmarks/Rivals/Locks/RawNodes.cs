using System.Collections.Concurrent;
using JobLocking.Benchmarks.Handoff;
using JobLocking.Benchmarks.Rivals.Locks.Clients;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks;

/// <summary>
/// A handoff by hand: our scripts, and a channel for each node. Less is not possible: the release has to reach the server, its wake-up the
/// waiter, and the waiter's acquire the server. A waiter whose wake-up comes too late waits forever: this is no lock for users.
/// </summary>
internal sealed class RawNodes : ILockNodes, IAsyncDisposable
{
    private readonly List<IConnectionMultiplexer> _connections = [];

    private readonly ConcurrentDictionary<string, TaskCompletionSource> _waiters = [];

    private readonly string _prefix;

    private RawNodes(string prefix) => _prefix = prefix;

    public string Library => Contender.Raw;

    public long Requests => _connections.Sum(connection => connection.GetCounters().TotalSent());

    public static async Task<RawNodes> StartAsync(BenchmarkRedis redis)
    {
        RawNodes nodes = new($"{redis.Prefix}raw-waiters:");
        for (int i = 0; i < ILockNodes.Count; i++)
        {
            IConnectionMultiplexer connection = await redis.ConnectAsync();
            nodes._connections.Add(connection);
            await RawLock.LoadAsync(connection.GetDatabase());
            ChannelMessageQueue notifications = await connection.GetSubscriber().SubscribeAsync(new LockKeys(nodes._prefix).Channels.Of(ProcessId(i)));

            // wake:<waiter id>:…
            notifications.OnMessage(notification => nodes._waiters[((string)notification.Message!).Split(':')[1]].TrySetResult());
        }

        return nodes;
    }

    public async Task<IAsyncDisposable> AcquireAsync(int node, string name, CancellationToken cancellationToken)
    {
        WaiterEntry entry = new(LeaseId.New(), ILockClient.Expiry);
        TaskCompletionSource turn = _waiters[entry.Id] = new TaskCompletionSource();
        RawLock one = new(_connections[node].GetDatabase(), _prefix, name, ProcessId(node), entry, byHash: true);
        if (!RawLock.IsGranted(await one.AcquireAsync()))
        {
            await turn.Task.WaitAsync(cancellationToken);
            ILockClient.Expect(RawLock.IsGranted(await one.AcquireAsync()), isFree: true);
        }

        _waiters.TryRemove(entry.Id, out _);
        return one;
    }

    public Task AreWaitingAsync(string name, int waiters, CancellationToken cancellationToken) => Eventually.SeesAsync(
        () => _connections[0].GetDatabase().SortedSetLengthAsync(new LockKeys(_prefix).Derived(name).Queue), queued => queued == waiters);

    public async ValueTask DisposeAsync()
    {
        foreach (IConnectionMultiplexer connection in _connections)
        {
            await connection.DisposeAsync();
        }
    }

    private static string ProcessId(int node) => $"node-{node}";
}
