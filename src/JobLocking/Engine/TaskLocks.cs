using System.Diagnostics;
using System.Runtime.CompilerServices;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace JobLocking.Engine;

/// <summary>The locks by hand, on the same leases as the jobs'.</summary>
internal sealed class TaskLocks(ILockStore store, Leases leases, MetricsReporter metrics, IOptions<JobLockingOptions> options, ILogger logger) : ITaskLocks
{
    private static readonly TimeSpan ShortestExpire = TimeSpan.FromMilliseconds(100);

    public async ValueTask<TaskLease?> TryAcquireAsync(string name, TaskLockOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(name);

        LeaseTerms terms = Terms(name, options ?? new TaskLockOptions());
        string resolved = NameTemplate.FromHand(name);
        cancellationToken.ThrowIfCancellationRequested();
        using Activity? span = Spans.StartAcquire();
        if (leases.Local.Contention(resolved) is not null)
        {
            metrics.ContendedLocally(JobLockingDiagnostics.ByHand, JobLockingDiagnostics.ByHand);
            Spans.AnsweredByHand(span, resolved, TagValues.Contended, lease: null);
            return null;
        }

        try
        {
            (AcquireResult result, TaskLease? lease) = await leases.AcquireAsync(
                JobLockingDiagnostics.ByHand, resolved, terms, Holder(), occurrence: null, cancellationToken).ConfigureAwait(false);
            Spans.AnsweredByHand(span, resolved, TagValues.Of(result.Outcome), lease);
            if (lease is not null)
            {
                Log.Acquired(logger, lease.Name, lease.FencingToken, lease.Holder);
            }

            return lease;
        }
        catch (Exception e)
        {
            Spans.AnsweredByHand(span, resolved, TagValues.Of(e), lease: null);
            throw;
        }
    }

    public ValueTask<TaskLease> AcquireAsync(string name, TaskLockOptions? options, CancellationToken cancellationToken) => throw new NotImplementedException();

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
                leases.Local.Break(name, fencingToken);
            }

            return broken;
        }
        catch (LockStoreException e)
        {
            throw new TaskLockUnavailableException($"Lock '{name}' cannot be broken: {e.Message}", name, e);
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
        string? problem =
            options.Expire < ShortestExpire || options.Expire > LeaseTerms.LongestExpiry ? $"Expire is {options.Expire}, but must be from {ShortestExpire.TotalMilliseconds} milliseconds to {LeaseTerms.LongestExpiry.TotalDays} days." :
            options.MaxHold < TimeSpan.Zero || (options.MaxHold > TimeSpan.Zero && options.MaxHold < options.Expire) ? $"MaxHold is {options.MaxHold}, but must be zero (none) or at least Expire ({options.Expire})." :
            options.MinHold < TimeSpan.Zero || options.MinHold > options.Expire ? $"MinHold is {options.MinHold}, but must be from zero to Expire ({options.Expire})." :
            null;
        return problem is null
            ? new LeaseTerms(options.Expire, options.MaxHold, options.MinHold)
            : throw new TaskLockException($"Options of lock '{name}': {problem}");
    }

    private LockHolder Holder() => new(options.Value.ApplicationName, options.Value.NodeName, JobLockingDiagnostics.ByHand, null, null, leases.Time.GetUtcNow());
}
