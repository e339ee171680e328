using System.Diagnostics;
using StackExchange.Redis;

namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>Our scripts by hand.</summary>
internal sealed class RawClient(IConnectionMultiplexer connection, string prefix) : ILockClient
{
    private readonly IDatabase _database = connection.GetDatabase();

    public long Requests => connection.GetCounters().TotalSent();

    public async Task PairsAsync(string name, TimeSpan[] times)
    {
        RawLock one = new(_database, prefix, name);
        for (int i = 0; i < times.Length; i++)
        {
            long begun = Stopwatch.GetTimestamp();
            ILockClient.Expect(RawLock.IsGranted(await one.AcquireAsync()), isFree: true);
            await one.ReleaseAsync();
            times[i] = Stopwatch.GetElapsedTime(begun);
        }

        // The lease id is always the same: had nothing been released, it would have been granted all the same.
        ILockClient.Expect(await one.IsHeldAsync(), isFree: false);
    }

    public async Task<IAsyncDisposable> HoldAsync(string name)
    {
        RawLock one = new(_database, prefix, name);
        ILockClient.Expect(RawLock.IsGranted(await one.AcquireAsync()), isFree: true);
        return one;
    }

    public async Task TriesAsync(string name, TimeSpan[] times)
    {
        RawLock one = new(_database, prefix, name);
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
