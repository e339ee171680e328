using Hangfire.States;

namespace JobLocking.Hangfire;

/// <summary>Enqueued by a wake-up; elected only while the job is still in its deferral.</summary>
internal sealed class WokenState : EnqueuedState
{
    public WokenState(StoredDeferral deferral)
        : base(deferral.Record.Queue)
    {
        Deferral = deferral;
        Reason = $"Woken: lock '{deferral.LockName}' is free";
    }

    public StoredDeferral Deferral { get; }
}
