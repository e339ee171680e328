using Hangfire;

namespace JobLocking.Benchmarks.StorageCalls;

#pragma warning disable CA1822 // Jobs are methods of objects.
internal sealed class StorageJobs
{
    public const string LockName = "storage-calls";

    public void Bare()
    {
    }

    [DisableConcurrentExecution(timeoutInSeconds: 60)]
    public void Serialized()
    {
    }

    [TaskLock(LockName)]
    public void Locked()
    {
    }

    [TaskLock(LockName, OnConflict = LockConflict.Skip)]
    public void Skipped()
    {
    }

    [TaskLock(LockName, OnConflict = LockConflict.Defer)]
    public void Deferred()
    {
    }
}
#pragma warning restore CA1822
