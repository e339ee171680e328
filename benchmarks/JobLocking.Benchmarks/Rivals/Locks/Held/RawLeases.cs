using System.Collections.Concurrent;
using JobLocking.Benchmarks.Rivals.Locks.Clients;
using JobLocking.Redis.Scripts;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Held;

/// <summary>Our renewal script, sent by hand for a hundred leases at once: the least that any renewal loop needs.</summary>
internal sealed class RawLeases(IConnectionMultiplexer connection, string prefix) : IHeldLeases
{
    private const int Batch = 100;

    private readonly IDatabase _database = connection.GetDatabase();

    private readonly ConcurrentBag<RawLock> _locks = [];

    private (RedisKey[] Keys, RedisValue[] Values)[]? _batches;

    private int _lost;

    public long Requests => connection.GetCounters().TotalSent();

    public async Task HoldAsync(string name)
    {
        RawLock one = new(_database, prefix, name);
        ILockClient.Expect(RawLock.IsGranted(await one.AcquireAsync()), isFree: true);
        _locks.Add(one);
    }

    public async Task RenewAsync(TimeSpan interval, int intervals, CancellationToken stop)
    {
        _batches ??= [.. _locks.Chunk(Batch).Select(locks => (
            locks.Select(one => one.Key).ToArray(),
            locks.SelectMany(one => new RedisValue[] { one.LeaseId, (long)ILockClient.Expiry.TotalMilliseconds, 1 }).ToArray()))];
        for (int i = 0; i < intervals; i++)
        {
            long begun = TimeProvider.System.GetTimestamp();
            Task<RedisResult>[] sent = [.. _batches.Select(batch => _database.ScriptEvaluateAsync(LockScripts.Renew.Text, [.. batch.Keys], [.. batch.Values]))];
            foreach (RedisResult results in await Task.WhenAll(sent))
            {
                _lost += ((string)results!).Count(lease => lease != 'r');
            }

            // As long as for the others, which are also idle meanwhile.
            TimeSpan rest = interval - TimeProvider.System.GetElapsedTime(begun);
            await Task.Delay(rest > TimeSpan.Zero ? rest : TimeSpan.Zero, stop);
        }
    }

    public int Lost() => _lost;

    public async Task ReleaseAsync()
    {
        await Task.WhenAll(_locks.Select(one => one.ReleaseAsync()));
        _locks.Clear();
        _batches = null;
        _lost = 0;
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
