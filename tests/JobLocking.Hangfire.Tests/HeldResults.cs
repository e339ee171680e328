using Hangfire.Common;
using Hangfire.Server;

namespace JobLocking.Hangfire.Tests;

/// <summary>Holds the workers after the end of a job, when its lock is released, and before its result is stored.</summary>
internal sealed class HeldResults : IServerFilter, IDisposable
{
    private const int AroundOurs = -2000;

    private readonly ManualResetEventSlim _gate = new();

    private int _held;

    public int Held => Volatile.Read(ref _held);

    public IJobFilterProvider Around(IJobFilterProvider others)
    {
        JobFilterCollection own = [];
        own.Add(this, AroundOurs);
        return new JobFilterProviderCollection(others, own);
    }

    public void OnPerforming(PerformingContext context)
    {
    }

    public void OnPerformed(PerformedContext context)
    {
        Interlocked.Increment(ref _held);
        _gate.Wait();
    }

    public void Release() => _gate.Set();

    public void Dispose() => _gate.Dispose();
}
