namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>One client for each contender, each with a connection of its own.</summary>
internal static class LockClients
{
    public static readonly IReadOnlyList<string> Contenders =
        [Contender.JobLocking, Contender.Raw, Contender.RawByHash, Contender.RawSetNx, Contender.DistributedLock, Contender.RedLock, Contender.LockTake];

    public static async Task<ILockClient> StartAsync(string contender, BenchmarkRedis redis) => contender switch
    {
        Contender.JobLocking => await JobLockingClient.StartAsync(redis),
        Contender.Raw => new RawClient(await redis.ConnectAsync(), $"{redis.Prefix}raw:"),
        Contender.RawByHash => await RawClient.StartByHashAsync(await redis.ConnectAsync(), $"{redis.Prefix}raw-by-hash:"),
        Contender.RawSetNx => new RawSetNxClient(await redis.ConnectAsync(), $"{redis.Prefix}raw-set-nx:"),
        Contender.DistributedLock => new DistributedLockClient(await redis.ConnectAsync(), $"{redis.Prefix}distributed-lock:"),
        Contender.RedLock => new RedLockClient(await redis.ConnectAsync(), redis.Prefix),
        Contender.LockTake => new LockTakeClient(await redis.ConnectAsync(), $"{redis.Prefix}lock-take:"),
        _ => throw new ArgumentOutOfRangeException(nameof(contender), contender, "No contender of this name takes locks."),
    };

    public static async Task<Dictionary<string, ILockClient>> StartAllAsync(BenchmarkRedis redis)
    {
        Dictionary<string, ILockClient> clients = [];
        foreach (string contender in Contenders)
        {
            clients.Add(contender, await StartAsync(contender, redis));
        }

        return clients;
    }

    public static async ValueTask DisposeAllAsync(Dictionary<string, ILockClient> clients)
    {
        foreach (ILockClient client in clients.Values)
        {
            await client.DisposeAsync();
        }
    }
}
