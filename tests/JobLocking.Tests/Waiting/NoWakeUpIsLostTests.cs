using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.TestKit;
using JobLocking.Tests.Engine;
using Xunit;

namespace JobLocking.Tests.Waiting;

/// <summary>
/// Many executions of several processes wait, are cancelled, are deferred, are moved by users, really in parallel. The clock stands still:
/// no poll makes up for a lost wake-up, and its waiter would wait forever.
/// </summary>
public sealed class NoWakeUpIsLostTests
{
    private const int Rounds = 150;
    private const int Contenders = 40;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Every_waiter_that_still_wants_the_lock_gets_it_and_the_limit_holds(int limit)
    {
        using EngineUnderTest first = new();
        using EngineUnderTest second = new(sharing: first, node: "node-2");
        using EngineUnderTest third = new(sharing: first, node: "node-3");
        EngineUnderTest[] nodes = [first, second, third];
        for (int round = 0; round < Rounds; round++)
        {
            Contest contest = new(nodes, $"x{round}", limit, seed: round);
            await contest.RunAsync().WaitAsync(Eventually.DefaultTimeout);
        }

        Assert.Empty(await first.ListAsync());
    }

    private sealed class Contest(EngineUnderTest[] nodes, string name, int limit, int seed)
    {
        private int _inside;
        private int _served;

        public async Task RunAsync()
        {
            Random random = new(seed);
            List<Task> all = [];
            int cancelled = 0;
            int gone = 0;
            for (int i = 0; i < Contenders; i++)
            {
                EngineUnderTest node = nodes[random.Next(nodes.Length)];
                switch (random.Next(4))
                {
                    case 0:
                        cancelled++;
                        all.Add(Task.Run(() => CancelledAsync(node)));
                        break;
                    case 1:
                        all.Add(Task.Run(() => WaitAsync(node)));
                        break;
                    case 2:
                        gone++;
                        all.Add(Task.Run(() => DeferAsync(node, isGone: true)));
                        break;
                    default:
                        all.Add(Task.Run(() => DeferAsync(node, isGone: false)));
                        break;
                }
            }

            await Task.WhenAll(all);
            Assert.InRange(_served, Contenders - cancelled - gone, Contenders);
        }

        private async Task WaitAsync(EngineUnderTest node, CancellationToken cancellationToken = default)
        {
            TaskLease lease = await node.Locks.AcquireAsync(name, new TaskLockOptions { Limit = limit }, cancellationToken);
            await InsideAsync();
            await lease.DisposeAsync();
        }

        private async Task CancelledAsync(EngineUnderTest node)
        {
            using CancellationTokenSource cancel = new();
            Task waiting = WaitAsync(node, cancel.Token);
            await Task.Yield();
            await cancel.CancelAsync();
            try
            {
                await waiting;
            }
            catch (OperationCanceledException)
            {
            }
        }

        /// <summary>A deferral that is gone by the time it is woken returns false, like a job that a user has moved.</summary>
        private async Task DeferAsync(EngineUnderTest node, bool isGone)
        {
            TaskLockAttribute taskLock = new(name) { OnConflict = LockConflict.Defer, Limit = limit };
            DeferralState? state = null;
            while (true)
            {
                LockExecution execution = node.Execution(taskLock, state is null ? ExecutionOrigin.OneOff : ExecutionOrigin.Deferred, deferral: state);
                LockDecision decision = await node.Engine.DecideAsync(execution, CancellationToken.None);
                if (decision is LockDecision.Run run)
                {
                    await InsideAsync();
                    await run.EndAsync(null, aborted: false);
                    return;
                }

                LockDecision.Defer defer = Assert.IsType<LockDecision.Defer>(decision);
                state = defer.State;
                await Task.Yield();
                TaskCompletionSource woken = new(TaskCreationOptions.RunContinuationsAsynchronously);
                defer.Stored(() => new(woken.TrySetResult() && !isGone));
                await woken.Task;
                if (isGone)
                {
                    return;
                }
            }
        }

        private async Task InsideAsync()
        {
            Assert.InRange(Interlocked.Increment(ref _inside), 1, limit);
            await Task.Yield();
            Interlocked.Decrement(ref _inside);
            Interlocked.Increment(ref _served);
        }
    }
}
