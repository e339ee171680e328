namespace JobLocking.Engine;

/// <summary>
/// What flows with the execution context is this box, not the lease: a timer or task that the job left behind captured
/// the context, and must not find a lease in it once the run has ended. A job that was run inside another leaves the lease of that.
/// </summary>
internal sealed class AmbientLease(TaskLease? lease, AmbientLease? outer)
{
    private TaskLease? _lease = lease;

    public TaskLease? Lease => HasEnded ? outer?.Lease : _lease;

    /// <summary>This run, or the nearest around it that goes on.</summary>
    public AmbientLease? Living => HasEnded ? outer?.Living : this;

    /// <summary>Whether this run, or one around it, has the lock.</summary>
    public bool Holds(string name) => (_lease is { } lease && lease.Name == name && !lease.IsLost()) || outer?.Holds(name) == true;

    public bool HasEnded { get; private set; }

    public void End()
    {
        HasEnded = true;
        _lease = null;
    }
}
