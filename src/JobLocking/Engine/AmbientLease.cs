namespace JobLocking.Engine;

/// <summary>
/// This box flows with the execution context, not the lease itself: a timer or task that the job left behind has captured the context,
/// and must not find a lease in it once the run has ended. After a job that was run inside another, the lease of the outer one is found.
/// </summary>
internal sealed class AmbientLease(TaskLease? lease, AmbientLease? outer)
{
    private TaskLease? _lease = lease;

    public TaskLease? Lease => HasEnded ? outer?.Lease : _lease;

    /// <summary>This run, or the nearest run around it that has not ended.</summary>
    public AmbientLease? Living => HasEnded ? outer?.Living : this;

    /// <summary>Whether this run, or a run around it, holds the lock.</summary>
    public bool Holds(string name) => (_lease is { } lease && lease.Name == name && !lease.IsLost()) || outer?.Holds(name) == true;

    public bool HasEnded { get; private set; }

    public void End()
    {
        HasEnded = true;
        _lease = null;
    }
}
