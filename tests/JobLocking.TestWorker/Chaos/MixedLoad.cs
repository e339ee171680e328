using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Stores;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// Executions of all kinds in turn, many at a time: a node holds a lock, or requests a lock that the other holds. Each execution ends
/// without leaving anything: it acquired and released its lock, or it was refused.
/// </summary>
internal sealed class MixedLoad(Node holder, Node asker)
{
    /// <summary>The shortest OccurrenceRetention, in seconds.</summary>
    public const int Retention = 60;

    /// <summary>The expiry of all leases, in seconds.</summary>
    public const int Expire = 3;

    private const int Names = 10_000;

    private const int Parallel = 64;

    private const int Hot = 20;

    public static readonly TaskLockOptions Short = new() { Expire = TimeSpan.FromSeconds(Expire) };

    private static readonly TaskLockOptions Shared = new() { Expire = TimeSpan.FromSeconds(Expire), Limit = 3 };

    private static readonly TaskLockOptions ShortWait = new() { Expire = TimeSpan.FromSeconds(Expire), Wait = TimeSpan.FromMilliseconds(5) };

    // One template for all names of a kind: a program has few templates, and each is remembered.
    private static readonly TaskLockAttribute Deferring = new("deferring") { Expire = Expire, OnConflict = LockConflict.Defer };

    private static readonly TaskLockAttribute Waiting = new("waiting") { Expire = Expire, Wait = 60 };

    private static readonly TaskLockAttribute Once = new("once") { Expire = Expire, OncePerOccurrence = OncePerOccurrence.Always };

    private static readonly TaskLockAttribute Skipping = new("skipping") { Expire = Expire, OnConflict = LockConflict.Skip };

    private static readonly TaskLockAttribute Impatient = new("impatient") { Expire = Expire, OnConflict = LockConflict.Defer, GiveUpAfter = 60 };

    private static readonly TaskLockAttribute KeptByJob = new("kept") { Expire = Expire, MinHold = 1 };

    private static readonly TaskLockOptions Kept = new() { Expire = TimeSpan.FromSeconds(Expire), MinHold = TimeSpan.FromMilliseconds(20) };

    private readonly ConcurrentDictionary<string, int> _done = new(StringComparer.Ordinal);
    private long _numbers;
    private int _next;

    /// <param name="count">The number of executions.</param>
    /// <returns>How many there were of each kind.</returns>
    public async Task<string> RunAsync(int count)
    {
        Func<string, int, Task>[] kinds =
        [
            AloneAsync, AloneAsync, ExtendedAsync, RefusedAsync, SharedAsync, ServedInPlaceAsync, CancelledAsync, TimedOutAsync,
            OccurrenceAsync, SkippedAsync, WokenAsync, WokenAsync, ReturnedAsync, NotStoredAsync, GoneAsync, GivenUpAsync, KeptAsync, KeptByJobAsync,
        ];
        _done.Clear();
        _next = 0;
        await Task.WhenAll(Enumerable.Range(0, Parallel).Select(one => Task.Run(async () =>
        {
            for (int i = Interlocked.Increment(ref _next); i <= count; i = Interlocked.Increment(ref _next))
            {
                // No other task uses the name, so each kind is certain to happen.
                string name = string.Create(CultureInfo.InvariantCulture, $"lock-{one}-{i % (Names / Parallel)}");
                await kinds[i % kinds.Length](name, i).WaitAsync(TimeSpan.FromSeconds(60));
            }
        })));
        return string.Join(", ", _done.OrderBy(kind => kind.Key, StringComparer.Ordinal).Select(kind => $"{kind.Key} {kind.Value}"));
    }

    private void Done([CallerMemberName] string kind = "") => _done.AddOrUpdate(kind[..^5], 1, static (_, before) => before + 1);

    private async Task AloneAsync(string name, int i)
    {
        await using TaskLease? lease = await holder.Locks.TryAcquireAsync(name, Short, holder.Lives);
        Is(lease is not null);
        Done();
    }

    private async Task ExtendedAsync(string name, int i)
    {
        await using TaskLease lease = await holder.Locks.AcquireAsync(name, Short, holder.Lives);
        await lease.ExtendAsync(TimeSpan.FromSeconds(Expire + 1));
        Done();
    }

    private async Task RefusedAsync(string name, int i)
    {
        await IsRefusedAsync(name, Short);
        Done();
    }

    /// <summary>Three may hold the lock, and more request it.</summary>
    private async Task SharedAsync(string name, int i)
    {
        await using TaskLease lease = await asker.Locks.AcquireAsync($"shared-{i % Hot}", Shared);
        await Task.Delay(1);
        Done();
    }

    private async Task ServedInPlaceAsync(string name, int i)
    {
        TaskLease lease = await holder.Locks.AcquireAsync(name, Short, holder.Lives);
        Task<LockDecision.Run> waiting = DecideAsync<LockDecision.Run>(asker, asker.Execution(Waiting, name));
        await lease.DisposeAsync();
        await (await waiting).EndAsync(null, aborted: false);
        Done();
    }

    /// <summary>Under a name of its own: a lock that was granted at the last moment is released a moment later.</summary>
    private async Task CancelledAsync(string name, int i)
    {
        await using TaskLease lease = await holder.Locks.AcquireAsync($"{name}-cancelled", Short);
        using CancellationTokenSource impatient = new(1);
        try
        {
            await using TaskLease never = await asker.Locks.AcquireAsync($"{name}-cancelled", Short, impatient.Token);
            Is(false);
        }
        catch (OperationCanceledException)
        {
            Done();
        }
    }

    private async Task TimedOutAsync(string name, int i)
    {
        await IsRefusedAsync(name, ShortWait);
        Done();
    }

    private async Task OccurrenceAsync(string name, int i)
    {
        LockOccurrence occurrence = new("Job.Run", DateTimeOffset.UtcNow.AddMicroseconds(Interlocked.Increment(ref _numbers)), IsRetry: false);
        LockDecision.Run run = await DecideAsync<LockDecision.Run>(holder, holder.Execution(Once, name, ExecutionOrigin.Recurring, occurrence));
        LockExecution second = asker.Execution(Once, name, ExecutionOrigin.Recurring, occurrence);
        LockDecision.Defer standby = await DecideAsync<LockDecision.Defer>(asker, second);
        standby.Stored(() => new(false));
        await run.EndAsync(null, aborted: false);
        await DecideAsync<LockDecision.Skip>(asker, second with { Deferral = standby.State, Origin = ExecutionOrigin.Deferred });
        Done();
    }

    private async Task SkippedAsync(string name, int i)
    {
        LockDecision.Run run = await DecideAsync<LockDecision.Run>(holder, holder.Execution(Skipping, name));
        await DecideAsync<LockDecision.Skip>(asker, asker.Execution(Skipping, name));
        await DecideAsync<LockDecision.Skip>(holder, holder.Execution(Skipping, name));
        await run.EndAsync(new InvalidOperationException("failed"), aborted: false);
        Done();
    }

    private async Task WokenAsync(string name, int i)
    {
        TaskLease lease = await holder.Locks.AcquireAsync(name, Short, holder.Lives);
        (LockExecution execution, LockDecision.Defer deferral) = await DeferredAsync(asker.Execution(Deferring, name));
        await ServeAsync(lease, execution, deferral);
        Done();
    }

    private async Task ReturnedAsync(string name, int i)
    {
        TaskLease lease = await holder.Locks.AcquireAsync(name, Short, holder.Lives);
        (LockExecution execution, LockDecision.Defer deferral) = await DeferredAsync(asker.Execution(Deferring, name));
        Store(deferral);
        (execution, deferral) = await DeferredAsync(Again(execution, deferral));
        await ServeAsync(lease, execution, deferral);
        Done();
    }

    private async Task NotStoredAsync(string name, int i)
    {
        await using TaskLease lease = await holder.Locks.AcquireAsync(name, Short, holder.Lives);
        (_, LockDecision.Defer deferral) = await DeferredAsync(asker.Execution(Deferring, name));
        deferral.NotStored();
        Done();
    }

    /// <summary>The first of two waiters is gone when it is woken.</summary>
    private async Task GoneAsync(string name, int i)
    {
        TaskLease lease = await holder.Locks.AcquireAsync(name, Short, holder.Lives);
        (_, LockDecision.Defer first) = await DeferredAsync(asker.Execution(Deferring, name));
        first.Stored(() => new(false));
        (LockExecution execution, LockDecision.Defer second) = await DeferredAsync(asker.Execution(Deferring, name));
        await ServeAsync(lease, execution, second);
        Done();
    }

    private async Task GivenUpAsync(string name, int i)
    {
        await using TaskLease lease = await holder.Locks.AcquireAsync(name, Short, holder.Lives);
        (LockExecution execution, LockDecision.Defer deferral) = await DeferredAsync(asker.Execution(Impatient, name));
        Store(deferral);
        await DecideAsync<LockDecision.Fail>(asker, Again(execution, deferral) with { Deferral = AnHourAgo(deferral.State) });
        Done();
    }

    /// <summary>The waiter is woken while the lock is still kept, and has to wait for its end.</summary>
    private async Task KeptAsync(string name, int i)
    {
        TaskLease lease = await holder.Locks.AcquireAsync(name, Kept);
        ValueTask<TaskLease> waiting = asker.Locks.AcquireAsync(name, Short, holder.Lives);
        await lease.DisposeAsync();
        await (await waiting).DisposeAsync();
        Done();
    }

    /// <summary>Kept for the whole minimum hold, without a waiter, each under a name of its own.</summary>
    private async Task KeptByJobAsync(string name, int i)
    {
        LockDecision.Run run = await DecideAsync<LockDecision.Run>(holder, holder.Execution(KeptByJob, $"kept-{Interlocked.Increment(ref _numbers)}"));
        await run.EndAsync(null, aborted: false);
        Done();
    }

    private async Task IsRefusedAsync(string name, TaskLockOptions options)
    {
        await using TaskLease lease = await holder.Locks.AcquireAsync(name, Short, holder.Lives);
        Is(await asker.Locks.TryAcquireAsync(name, options) is null);
    }

    /// <summary>The deferral is woken by the release, and run.</summary>
    private async Task ServeAsync(TaskLease held, LockExecution execution, LockDecision.Defer deferral)
    {
        TaskCompletionSource woken = Store(deferral);
        await held.DisposeAsync();
        await woken.Task;
        LockDecision.Run run = await DecideAsync<LockDecision.Run>(asker, Again(execution, deferral));
        run.Enter();
        await run.EndAsync(null, aborted: false);
    }

    private TaskCompletionSource Store(LockDecision.Defer deferral)
    {
        TaskCompletionSource woken = new(TaskCreationOptions.RunContinuationsAsynchronously);
        deferral.Stored(() =>
        {
            woken.SetResult();
            return new(true);
        });
        return woken;
    }

    private async Task<(LockExecution Execution, LockDecision.Defer Deferral)> DeferredAsync(LockExecution execution) =>
        (execution, await DecideAsync<LockDecision.Defer>(asker, execution));

    private static LockExecution Again(LockExecution execution, LockDecision.Defer deferral) =>
        execution with { Deferral = deferral.State, Origin = ExecutionOrigin.Deferred };

    private static DeferralState AnHourAgo(DeferralState state)
    {
        long first = state.FirstDeferredAt!.Value.UtcTicks;
        string text = state.ToString().Replace($"{first}", $"{first - TimeSpan.TicksPerHour}", StringComparison.Ordinal);
        return DeferralState.Parse(text) ?? throw new InvalidOperationException($"{text} is no state");
    }

    private static async Task<T> DecideAsync<T>(Node node, LockExecution execution)
        where T : LockDecision
    {
        LockDecision decision = await node.Engine.DecideAsync(execution, node.Lives);
        return decision as T ?? throw new InvalidOperationException($"{typeof(T).Name} was expected for {execution.Name}, not {decision}");
    }

    private static void Is(bool fact, [CallerArgumentExpression(nameof(fact))] string what = "", [CallerMemberName] string kind = "")
    {
        if (!fact)
        {
            throw new InvalidOperationException($"{kind}: {what}");
        }
    }
}
