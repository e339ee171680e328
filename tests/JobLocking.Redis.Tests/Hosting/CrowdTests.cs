using System.Diagnostics;
using System.Globalization;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Redis.Tests.Connections;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace JobLocking.Redis.Tests.Hosting;

/// <summary>Whether the woken deferral is slower when many others wait for the same lock.</summary>
public sealed class CrowdTests : OwnServerTests
{
    private const int Few = 100;

    // More than the queue once held. Of the waiters beyond that, one was woken every five seconds.
    private const int Many = 11_000;

    [Fact]
    public async Task All_of_many_thousands_of_waiters_run_and_the_time_between_two_runs_does_not_grow_with_their_number()
    {
        IHost[] hosts = [.. Enumerable.Range(0, 2).Select(_ => UseRedisTests.Host(locks => locks.UseRedis(Server.ConnectionString)))];
        await Task.WhenAll(hosts.Select(host => host.StartAsync(Cancellation)));
        await RunAsync("warm", Few);

        // The machine may be busier later: the run with few waiters comes before and after, and the slower one counts.
        TimeSpan before = await RunAsync("before", Few);
        TimeSpan many = await RunAsync("many", Many);
        TimeSpan after = await RunAsync("after", Few);

        Assert.InRange(many / (before > after ? before : after), 0, 2);
        foreach (IHost host in hosts)
        {
            await host.StopAsync(Cancellation);
            host.Dispose();
        }

        Task<TimeSpan> RunAsync(string crowd, int waiters) => new Crowd(hosts, $"{Name}:{crowd}").RunAsync(waiters);
    }

    private sealed class Crowd(IHost[] hosts, string name)
    {
        private readonly TaskLockAttribute _taskLock = new("crowd") { OnConflict = LockConflict.Defer, DeferBy = 3600 };
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<long> _ran = [];
        private int _waiters;

        /// <summary>Makes this many executions wait, and lets all of them run.</summary>
        /// <returns>The median of the times from one run to the next.</returns>
        public async Task<TimeSpan> RunAsync(int waiters)
        {
            _waiters = waiters;
            LockEngine[] engines = [.. hosts.Select(host => host.Services.GetRequiredService<LockEngine>())];
            LockDecision.Run holder = Assert.IsType<LockDecision.Run>(await engines[0].DecideAsync(Execution(0, 0), Cancellation));
            await Parallel.ForAsync(1, waiters + 1, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, ct) =>
            {
                int node = i % hosts.Length;
                LockExecution execution = Execution(node, i);
                Defer(engines[node], execution, Assert.IsType<LockDecision.Defer>(await engines[node].DecideAsync(execution, ct)));
            });

            await holder.EndAsync(null, aborted: false);
            await _done.Task.WaitAsync(TimeSpan.FromSeconds(60));
            long[] times = [.. _ran.Zip(_ran.Skip(1), (a, b) => b - a).Order()];
            return Stopwatch.GetElapsedTime(0, times[times.Length / 2]);
        }

        private void Defer(LockEngine engine, LockExecution execution, LockDecision.Defer defer) => defer.Stored(() =>
        {
            LockExecution back = execution with { Origin = ExecutionOrigin.Deferred, Deferral = defer.State };
            _ = Task.Run(() => RunAsync(engine, back), CancellationToken.None);
            return new(true);
        });

        private async Task RunAsync(LockEngine engine, LockExecution execution)
        {
            LockDecision decision = await engine.DecideAsync(execution, Cancellation);
            if (decision is not LockDecision.Run run)
            {
                // A poll has woken a second one.
                Defer(engine, execution, Assert.IsType<LockDecision.Defer>(decision));
                return;
            }

            // One after the other, because of the lock.
            _ran.Add(Stopwatch.GetTimestamp());
            bool isLast = _ran.Count == _waiters;
            await run.EndAsync(null, aborted: false);
            if (isLast)
            {
                _done.TrySetResult();
            }
        }

        private LockExecution Execution(int node, int i) => new()
        {
            Policy = hosts[node].Services.GetRequiredService<LockPolicies>().Resolve(_taskLock, "Job.Run"),
            Name = name,
            Scheduler = "Test",
            Job = "Job.Run",
            Execution = i.ToString(CultureInfo.InvariantCulture),
            Origin = ExecutionOrigin.OneOff,
        };
    }
}
