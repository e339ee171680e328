using System.Collections.Immutable;

namespace JobLocking.Stores.Memory;

/// <summary>One process, or what stands for one where several share their locks in memory: who listens there.</summary>
internal sealed class MemoryProcess
{
    private ImmutableArray<Action<LockNotice>> _listeners = [];

    public bool Listens => !_listeners.IsEmpty;

    public void Add(Action<LockNotice> onNotice) => ImmutableInterlocked.Update(ref _listeners, static (all, one) => all.Add(one), onNotice);

    public void Remove(Action<LockNotice> onNotice) => ImmutableInterlocked.Update(ref _listeners, static (all, one) => all.Remove(one), onNotice);

    public void Tell(LockNotice notice)
    {
        foreach (Action<LockNotice> onNotice in _listeners)
        {
            onNotice(notice);
        }
    }
}
