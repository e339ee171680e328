using System.Collections.Concurrent;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The firings of triggers with <see cref="OverlapPolicy.CancelPrevious"/> that run on this node. Quartz interrupts them and starts
/// the next at once, which would find the lock taken by the same job and be skipped: then no firing would be at work until the one
/// after. So the next waits until those that were interrupted for it have given the lock back, and only then asks for it.
/// </summary>
/// <remarks>
/// It does not wait for what other nodes run. Without a shared store that was not interrupted, and may be the same occurrence; in a cluster
/// Quartz interrupts it at that node's next check-in, 7.5 seconds later by default. For the same reason it does not wait in the queue
/// of the lock, where it would also wait for a node that was faster.
/// <para>
/// A firing that was deferred runs under a trigger of ours, which Quartz does not know as the one before: so the next firing of the
/// schedule interrupts it here.
/// </para>
/// </remarks>
internal sealed class Successions(Lifetime lifetime, TimeProvider time)
{
    /// <summary>A job that ignores its interruption keeps its successor no longer than this.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<Member, bool> _members = [];

    /// <summary>Enters a firing, until it is disposed. Null where the trigger cancels none.</summary>
    public Member? Enter(Firing firing)
    {
        if (!firing.CancelsPrevious)
        {
            return null;
        }

        Member entered = new(this, firing);
        _members.TryAdd(entered, true);
        return entered;
    }

    /// <summary>Waits until the firings that were interrupted for this one are over.</summary>
    public async ValueTask PredecessorsEndedAsync(Member member, CancellationToken cancellationToken)
    {
        if (!member.IsDeferred)
        {
            foreach (Member deferred in _members.Keys.Where(other => other.IsDeferred && other.IsFollowedBy(member)))
            {
                await deferred.InterruptAsync().ConfigureAwait(false);
            }
        }

        Task[] interrupted =
            [.. _members.Keys.Where(other => other != member && other.IsInterruptedFor(member)).Select(other => other.Ended)];
        if (interrupted.Length == 0)
        {
            return;
        }

        using CancellationTokenSource end =
            CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.EndOf(member.Scheduler));
        await Task.WhenAll(interrupted).WaitAsync(LongestWait, time, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    internal sealed class Member(Successions all, Firing firing) : IDisposable
    {
        private readonly CancellationToken _interruption = firing.Context.CancellationToken;

        // The one that waits goes on by itself, and not within the end of this firing.
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public IScheduler Scheduler => firing.Context.Scheduler;

        public bool IsDeferred => firing.Deferred is not null;

        private TriggerKey Trigger => firing.Trigger;

        public Task Ended => _ended.Task;

        public bool IsFollowedBy(Member successor) => Trigger.Equals(successor.Trigger);

        public bool IsInterruptedFor(Member successor) => _interruption.IsCancellationRequested && IsFollowedBy(successor);

        public async ValueTask InterruptAsync()
        {
            if (!_interruption.IsCancellationRequested)
            {
                await Scheduler.InterruptFireInstance(firing.Context.FireInstanceId, CancellationToken.None).ConfigureAwait(false);
            }
        }

        public void Dispose()
        {
            all._members.TryRemove(this, out _);
            _ended.SetResult();
        }
    }
}
