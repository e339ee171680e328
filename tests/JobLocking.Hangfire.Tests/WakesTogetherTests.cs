using System.Collections.Concurrent;
using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>
/// Many wake-ups at one moment, and few threads to run them on. The pool belongs to the whole process, so nothing else runs meanwhile.
/// </summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class FewThreads;

[Collection(typeof(FewThreads))]
public sealed class WakesTogetherTests(SharedRedis redis) : IDisposable
{
    private const int WakeFailed = 1108;

    private readonly int _threads = LimitThreads(2);

    public void Dispose() => LimitThreads(_threads);

    [Theory]
    [InlineData(null)]
    [InlineData("critical")]
    public async Task Many_locks_that_are_released_together_wake_their_jobs_at_once(string? queue)
    {
        await using Cluster cluster = redis.NewCluster(Storages.Redis);
        Witness witness = new();
        Node a = await cluster.StartAsync("a", server: o => o.WorkerCount = 10, filters: (own, _) => new JobFilterProviderCollection(own, new JobFilterCollection { witness }));
        using Events events = new();
        a.Services.GetRequiredService<ILoggerFactory>().AddProvider(events);
        List<TaskLease> leases = [];
        List<string> jobs = [];
        for (int i = 0; i < 60; i++)
        {
            string key = $"{i}";
            leases.Add(await a.TakeAsync($"work:{key}"));
            jobs.Add(queue is null
                ? cluster.Client.Enqueue<Patient>(p => p.Run(key, key, CancellationToken.None))
                : cluster.Client.Enqueue<Patient>(queue, p => p.Run(key, key, CancellationToken.None)));
        }

        foreach (string job in jobs)
        {
            await cluster.IsDeferredAsync(job);
        }

        await using TaskLease bystander = (await a.Locks.TryAcquireAsync("bystander", new TaskLockOptions { Expire = TimeSpan.FromSeconds(3) }, TestContext.Current.CancellationToken))!;
        DateTimeOffset expiresAt = bystander.ExpiresAt;
        await Task.WhenAll(leases.Select(lease => lease.DisposeAsync().AsTask()));

        foreach (string job in jobs)
        {
            await cluster.SucceedsAsync(job);
            Assert.Equal(["Succeeded", "Processing", "Enqueued", "Scheduled", "Deleted", "Processing", "Enqueued"], cluster.History(job).Select(s => s.Name));
        }

        await Eventually.IsTrueAsync(() => bystander.ExpiresAt > expiresAt);
        Assert.False(bystander.Lost.IsCancellationRequested);
        Assert.DoesNotContain(WakeFailed, events.Seen);
        Assert.Equal(Enumerable.Repeat(false, jobs.Count), witness.OnPoolThreads);
    }

    private static int LimitThreads(int least)
    {
        ThreadPool.GetMinThreads(out int before, out int completions);
        Assert.True(ThreadPool.SetMinThreads(least, completions));
        return before;
    }

    /// <summary>Observes each wake-up on the thread that it runs on.</summary>
    private sealed class Witness : JobFilterAttribute, IElectStateFilter
    {
        public ConcurrentQueue<bool> OnPoolThreads { get; } = [];

        public void OnStateElection(ElectStateContext context)
        {
            if (context.CandidateState is WokenState)
            {
                OnPoolThreads.Enqueue(Thread.CurrentThread.IsThreadPoolThread);
            }
        }
    }

    /// <summary>The ids of the events that a node logged.</summary>
    private sealed class Events : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<int> Seen { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Seen.Enqueue(eventId.Id);

        public void Dispose()
        {
        }
    }
}
