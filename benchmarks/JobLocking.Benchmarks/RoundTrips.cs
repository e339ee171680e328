using System.Diagnostics;
using StackExchange.Redis;

namespace JobLocking.Benchmarks;

/// <summary>
/// A measure of the machine itself: a PING over a connection like all others. Back to back, no thread on the way is asleep; after a pause,
/// as after any wait for a lock, each has to be woken first.
/// </summary>
internal sealed class RoundTrips(IConnectionMultiplexer connection)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly List<TimeSpan> _busy = [];

    private readonly List<TimeSpan> _idle = [];

    public Spread Busy => new(_busy);

    public Spread Idle => new(_idle);

    public async Task MeasureAsync(CancellationToken cancellationToken)
    {
        for (int i = 0; i < 200; i++)
        {
            _busy.Add(await PingAsync());
        }

        for (int i = 0; i < 20; i++)
        {
            await Task.Delay(Pause, cancellationToken);
            _idle.Add(await PingAsync());
        }
    }

    public void Forget()
    {
        _busy.Clear();
        _idle.Clear();
    }

    private async Task<TimeSpan> PingAsync()
    {
        long sent = Stopwatch.GetTimestamp();
        await connection.GetDatabase().PingAsync();
        return Stopwatch.GetElapsedTime(sent);
    }
}
