using System.Collections.Concurrent;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The firings of triggers with <see cref="OverlapPolicy.CancelPrevious"/> that run on this node. Quartz interrupts them and starts the
/// next firing at once. That would find the lock taken by the same job and be skipped, and no firing would run. So the next firing waits
/// until the interrupted ones have released the lock, and asks for it then.
/// </summary>
/// <remarks>
/// It does not wait for firings on other nodes. Without a shared store they are not interrupted, and may be the same occurrence; in a
/// cluster Quartz interrupts them at the next check-in of their node, 7.5 seconds later by default. For the same reason it does not wait
/// in the waiting queue of the lock, where it would also wait for a node that was faster.
/// <para>
/// A deferred firing has a trigger of ours, which Quartz does not take for the previous one. So the next firing of the schedule
/// interrupts it here.
/// </para>
/// </remarks>
internal sealed class OverlappingFirings(SchedulerShutdown shutdown, TimeProvider time)
{
    /// <summary>The longest wait for a job that ignores its interruption.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<Member, bool> _members = [];

    /// <summary>Adds a firing, until the entry is disposed. Null if its trigger cancels no other firing.</summary>
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

    /// <summary>Waits until the firings that were interrupted for this one have ended.</summary>
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
            CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, shutdown.EndOf(member.Scheduler));
        await Task.WhenAll(interrupted).WaitAsync(LongestWait, time, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    internal sealed class Member(OverlappingFirings all, Firing firing) : IDisposable
    {
        private readonly CancellationToken _interruption = firing.Context.CancellationToken;

        // The firing that waits must not continue inside the end of this one.
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
