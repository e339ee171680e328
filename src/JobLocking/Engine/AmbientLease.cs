namespace JobLocking.Engine;

/// <summary>
/// What flows with the execution context is this box, not the lease: a timer or task that the job left behind captured
/// the context, and must not find a lease in it once the run has ended.
/// </summary>
internal sealed class AmbientLease(TaskLease? lease)
{
    public TaskLease? Lease { get; private set; } = lease;

    public bool HasEnded { get; private set; }

    public void End()
    {
        HasEnded = true;
        Lease = null;
    }
}
