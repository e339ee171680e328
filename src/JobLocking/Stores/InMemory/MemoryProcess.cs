using System.Collections.Immutable;

namespace JobLocking.Stores.InMemory;

/// <summary>The subscriptions of one process, or of a stand-in for one where several share their locks in memory.</summary>
internal sealed class MemoryProcess
{
    private ImmutableArray<Action<LockNotification>> _listeners = [];

    public bool Listens => !_listeners.IsEmpty;

    public void Add(Action<LockNotification> onNotification) =>
        ImmutableInterlocked.Update(ref _listeners, static (all, one) => all.Add(one), onNotification);

    public void Remove(Action<LockNotification> onNotification) =>
        ImmutableInterlocked.Update(ref _listeners, static (all, one) => all.Remove(one), onNotification);

    public void Tell(LockNotification notification)
    {
        foreach (Action<LockNotification> onNotification in _listeners)
        {
            onNotification(notification);
        }
    }
}
