using System.Diagnostics;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>Our scripts, sent by hand.</summary>
internal sealed class RawClient(IConnectionMultiplexer connection, string prefix, bool byHash = false) : ILockClient
{
    private readonly IDatabase _database = connection.GetDatabase();

    public long Requests => connection.GetCounters().TotalSent();

    public static async Task<RawClient> StartByHashAsync(IConnectionMultiplexer connection, string prefix)
    {
        await RawLock.LoadAsync(connection.GetDatabase());
        return new RawClient(connection, prefix, byHash: true);
    }

    public async Task PairsAsync(string name, TimeSpan[] times)
    {
        RawLock one = new(_database, prefix, name, byHash: byHash);
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            ILockClient.Expect(RawLock.IsGranted(await one.AcquireAsync()), isFree: true);
            await one.ReleaseAsync();
            times[i] = Stopwatch.GetElapsedTime(begun);
        }
    }

    public async Task<IAsyncDisposable> HoldAsync(string name)
    {
        RawLock one = new(_database, prefix, name, byHash: byHash);
        ILockClient.Expect(RawLock.IsGranted(await one.AcquireAsync()), isFree: true);
        return one;
    }

    public async Task TriesAsync(string name, TimeSpan[] times)
    {
        RawLock one = new(_database, prefix, name, byHash: byHash);
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            bool taken = RawLock.IsGranted(await one.AcquireAsync());
            times[i] = Stopwatch.GetElapsedTime(begun);
            ILockClient.Expect(taken, isFree: false);
        }
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
