using StackExchange.Redis;

namespace JobLocking.TestWorker;

/// <summary>
/// The work that the executions of all processes do under the one lock that they share. They record it themselves, in the order in which
/// Redis receives it. Two executions at once would lose an addition to the counter.
/// </summary>
internal sealed class JournaledWork(IDatabase database, int limit) : IDisposable
{
    private readonly SemaphoreSlim _ends = new(0);

    public async Task DoAsync(bool isHeld, TaskLease lease)
    {
        await database.ListRightPushAsync("journal", $"enter {limit} {lease.FencingToken}");
        int value = (int)await database.StringGetAsync("counter") + 1;
        if (isHeld)
        {
            await _ends.WaitAsync(lease.Lost);
        }

        await database.StringSetAsync("counter", value);
        await database.ListRightPushAsync("journal", $"leave {limit} {lease.FencingToken}");
    }

    /// <summary>Lets this many of the held executions end.</summary>
    public void End(int count) => _ends.Release(count);

    public void Dispose() => _ends.Dispose();
}
