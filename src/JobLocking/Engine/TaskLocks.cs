using System.Diagnostics;
using System.Runtime.CompilerServices;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.Waiting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace JobLocking.Engine;

/// <summary>Locks taken by hand. They use the same leases as the locks of jobs.</summary>
internal sealed class TaskLocks(
    ILockStore store,
    Leases leases,
    LockAcquirer acquirer,
    LocalWaiters queue,
    MetricsReporter metrics,
    IOptions<JobLockingOptions> options,
    ILogger logger) : ITaskLocks
{
    private const int LargestLimit = 1000;

    private static readonly TaskLockOptions Defaults = new();

    private static readonly TimeSpan ShortestExpire = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    // Not pooled: users may await the result twice, or block on it.
    public async ValueTask<TaskLease?> TryAcquireAsync(string name, TaskLockOptions? options, CancellationToken cancellationToken) =>
        await AcquireAsync(name, options ?? Defaults, (options ?? Defaults).Wait, cancellationToken).ConfigureAwait(false);

    // An unlimited wait ends only with the lease.
    public async ValueTask<TaskLease> AcquireAsync(string name, TaskLockOptions? options, CancellationToken cancellationToken) =>
        (await AcquireAsync(name, options ?? Defaults, Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false))!;

    public async IAsyncEnumerable<HeldLock> ListAsync(string? prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IAsyncEnumerator<HeldLock> locks = store.ListAsync(prefix, cancellationToken).GetAsyncEnumerator(cancellationToken);
        await using ConfiguredAsyncDisposable ending = locks.ConfigureAwait(false);
        while (await NextAsync(locks).ConfigureAwait(false))
        {
            yield return locks.Current;
        }
    }

    public async ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        try
        {
            bool broken = await store.BreakAsync(name, fencingToken, cancellationToken).ConfigureAwait(false);
            if (broken)
            {
                Log.Broken(logger, name, fencingToken);
                leases.Held.Break(name, fencingToken);
            }

            return broken;
        }
        catch (LockStoreException e)
        {
            throw new TaskLockUnavailableException($"Lock '{name}' cannot be broken: {e.Message}", name, e);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<TaskLease?> AcquireAsync(string name, TaskLockOptions how, TimeSpan wait, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);

        string resolved = NameTemplate.FromHand(name);
        LeaseTerms terms = Terms(name, how);
        cancellationToken.ThrowIfCancellationRequested();
        using Activity? span = Spans.StartAcquire();
        if (wait == TimeSpan.Zero && leases.Held.Contention(resolved, how.Limit) is not null)
        {
            metrics.ContendedLocally(JobLockingDiagnostics.ByHand, JobLockingDiagnostics.ByHand);
            Spans.AnsweredByHand(span, resolved, TagValues.Contended, fencingToken: null);
            return null;
        }

        LeaseRequest wanted = new(JobLockingDiagnostics.ByHand, resolved, terms, Holder());
        try
        {
            (AcquireResult result, HeldLease? lease) = await AskAsync(wanted, wait, cancellationToken).ConfigureAwait(false);
            Spans.AnsweredByHand(span, wanted.Name, result.Outcome.Tag(), lease?.FencingToken);
            if (lease is null)
            {
                return null;
            }

            Log.Acquired(logger, lease.Name, lease.FencingToken, lease.Holder);
            return new TaskLease(leases, lease);
        }
        catch (TaskLockUnavailableException e) when (queue.IsDisposed)
        {
            // A caller that retries while the store is unavailable must not retry forever.
            Spans.FailedByHand(span, wanted.Name, e);
            throw new ObjectDisposedException($"Lock '{wanted.Name}' cannot be acquired: the services of JobLocking were disposed.", e);
        }
        catch (Exception e)
        {
            Spans.FailedByHand(span, wanted.Name, e);
            throw;
        }
    }

    private ValueTask<(AcquireResult Result, HeldLease? Lease)> AskAsync(
        LeaseRequest wanted, TimeSpan wait, CancellationToken cancellationToken) =>
        wait == TimeSpan.Zero
            ? acquirer.AcquireAsync(wanted, waiter: null, wait, endOfWait: default, cancellationToken)
            : WaitAsync(wanted, wait, cancellationToken);

    private async ValueTask<(AcquireResult Result, HeldLease? Lease)> WaitAsync(
        LeaseRequest wanted, TimeSpan wait, CancellationToken cancellationToken)
    {
        bool isLong = wait == Timeout.InfiniteTimeSpan || wait > WaitingTimes.LongestLapse;
        Waiter waiter = Waiter.For(wanted, isLong ? WaitingTimes.LongestLapse : wait, reference: null);
        try
        {
            (AcquireResult Result, HeldLease? Lease) answer = await acquirer
                .AcquireAsync(wanted, waiter, wait, endOfWait: default, cancellationToken)
                .ConfigureAwait(false);
            if (answer.Lease is null)
            {
                queue.Leave(waiter);
            }

            return answer;
        }
        catch (TaskLockUnavailableException)
        {
            queue.Leave(waiter);
            throw;
        }
    }

    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<HeldLock> locks)
    {
        try
        {
            return await locks.MoveNextAsync().ConfigureAwait(false);
        }
        catch (LockStoreException e)
        {
            throw new TaskLockUnavailableException($"The locks cannot be listed: {e.Message}", "", e);
        }
    }

    private static LeaseTerms Terms(string name, TaskLockOptions options)
    {
        string? problem = options switch
        {
            _ when options.Expire < ShortestExpire || options.Expire > LeaseTerms.LongestExpiry =>
                $"Expire is {options.Expire}, but must be from {ShortestExpire.TotalMilliseconds} milliseconds "
                + $"to {LeaseTerms.LongestExpiry.TotalDays} days.",
            _ when options.MaxHold < TimeSpan.Zero || (options.MaxHold > TimeSpan.Zero && options.MaxHold < options.Expire) =>
                $"MaxHold is {options.MaxHold}, but must be zero (none) or at least Expire ({options.Expire}).",
            _ when options.Limit is < 1 or > LargestLimit =>
                Invariant($"Limit is {options.Limit}, but must be from 1 to {LargestLimit}."),
            _ when options.Wait < TimeSpan.Zero || options.Wait > LongestWait =>
                $"Wait is {options.Wait}, but must be from zero to {LongestWait.TotalDays} day.",
            _ when options.MinHold < TimeSpan.Zero || options.MinHold > options.Expire =>
                $"MinHold is {options.MinHold}, but must be from zero to Expire ({options.Expire}).",
            _ => null,
        };
        return problem is null
            ? new LeaseTerms(options.Expire, options.MaxHold, options.MinHold, options.Limit)
            : throw new TaskLockException($"Options of lock '{name}': {problem}");
    }

    private LockHolder Holder() => new(
        options.Value.ApplicationAndEnvironment, options.Value.NodeName, JobLockingDiagnostics.ByHand, null, null, leases.Time.GetUtcNow());
}
