namespace JobLocking.Engine;

/// <summary>The lease that flows with the execution of a job.</summary>
internal sealed class TaskLeaseAccessor : ITaskLeaseAccessor
{
    private readonly AsyncLocal<AmbientLease?> _ambient = new();

    public TaskLease? Current => _ambient.Value?.Lease;

    public TaskLease Required => Current ?? throw new TaskLockException(
        _ambient.Value is null or { HasEnded: true }
            ? "This code does not run under a lock. Fix: put [TaskLock] on the job, and register JobLocking with its scheduler: "
                + "UseTaskLocks(sp) in Hangfire, AddTaskLocks() in Quartz. If that is done, read the lease while the job runs: "
                + "a Quartz job has no lease before Execute, so do not read it in the constructor."
            : "This job runs without its lock: the store is unavailable, and OnUnavailable = Run.");

    public bool Holds(string name) => _ambient.Value?.Holds(name) == true;

    public AmbientLease Enter(TaskLease? lease) =>
        _ambient.Value = new AmbientLease(lease, outer: _ambient.Value?.Living);
}
