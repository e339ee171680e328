namespace JobLocking.Engine;

/// <summary>
/// What flows with the execution context is this box, not the lease: a timer or task that the job left behind captured
/// the context, and must not find a lease in it once the run has ended. A job that was run inside another leaves the lease of that.
/// </summary>
internal sealed class AmbientLease(TaskLease? lease, AmbientLease? outer)
{
    private TaskLease? _lease = lease;

    public TaskLease? Lease => HasEnded ? outer?.Lease : _lease;

    public bool HasEnded { get; private set; }

    public void End()
    {
        HasEnded = true;
        _lease = null;
    }
}
