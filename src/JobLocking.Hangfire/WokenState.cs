using Hangfire.States;

namespace JobLocking.Hangfire;

/// <summary>Enqueued because the lock is free; elected only while the job is still deferred.</summary>
internal sealed class WokenState : EnqueuedState
{
    public WokenState(Deferral deferral)
        : base(deferral.Record.Queue)
    {
        Deferral = deferral;
        Reason = $"Woken: lock '{deferral.LockName}' is free";
    }

    public Deferral Deferral { get; }
}
