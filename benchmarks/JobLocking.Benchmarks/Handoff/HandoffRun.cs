using StackExchange.Redis;

namespace JobLocking.Benchmarks.Handoff;

/// <summary>All cases in turn, round after round, so that a slow moment of the machine affects all of them.</summary>
internal static class HandoffRun
{
    private const int LineLength = 50;

    /// <summary>The limit for one measurement, which takes a few seconds at most.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <exception cref="TimeoutException">A waiter that should have got the lock never got it.</exception>
    public static async Task<HandoffReport> MeasureAsync(BenchmarkRedis redis, int rounds, CancellationToken stop)
    {
        await using JobLockingNodes jobLocking = await JobLockingNodes.StartAsync(redis);
        await using DistributedLockNodes distributedLock = await DistributedLockNodes.StartAsync(redis);
        await using DeferredHangfireJob hangfireInMemory = await DeferredHangfireJob.InMemoryAsync(redis);
        await using DeferredHangfireJob hangfireInRedis = await DeferredHangfireJob.InRedisAsync(redis);
        await using DeferredQuartzJob quartz = await DeferredQuartzJob.StartAsync(redis);
        await using IConnectionMultiplexer connection = await redis.ConnectAsync();
        HandoffResult[] results =
        [
            new(new WaitersInPlace(jobLocking, 1, redis)),
            new(new WaitersInPlace(distributedLock, 1, redis)),
            new(new WaitersInPlace(jobLocking, LineLength, redis)),
            new(new WaitersInPlace(distributedLock, LineLength, redis)),
            new(hangfireInMemory),
            new(hangfireInRedis),
            new(quartz),
        ];

        RoundTrips roundTrips = new(connection);
        await RoundAsync();

        // Not counted: code is compiled and scripts are loaded.
        roundTrips.Forget();
        Array.ForEach(results, result => result.Forget());
        for (int round = 0; round < rounds; round++)
        {
            await RoundAsync();
        }

        return new HandoffReport(redis.Version, rounds, roundTrips, results);

        async Task RoundAsync()
        {
            await roundTrips.MeasureAsync(stop);
            foreach (HandoffResult result in results)
            {
                result.Add(await MeasureAsync(result.Of, stop));
            }
        }
    }

    private static async Task<Handoffs> MeasureAsync(IHandoff handoff, CancellationToken stop)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
        patience.CancelAfter(Patience);
        try
        {
            return await handoff.MeasureAsync(patience.Token);
        }
        catch (OperationCanceledException e) when (!stop.IsCancellationRequested)
        {
            throw new TimeoutException($"{handoff.Library}, {handoff.Case}: who is next did not have the lock within {Patience.TotalSeconds} s.", e);
        }
    }
}
