using JobLocking.Engine;
using JobLocking.Stores;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.TestWorker.Chaos;

/// <summary>What a host offers to whoever locks by hand, and to an adapter.</summary>
internal sealed class Node(IServiceProvider services)
{
    private readonly LockPolicies _policies = services.GetRequiredService<LockPolicies>();

    public ITaskLocks Locks { get; } = services.GetRequiredService<ITaskLocks>();

    public LockEngine Engine { get; } = services.GetRequiredService<LockEngine>();

    public LockExecution Execution(TaskLockAttribute taskLock, ExecutionOrigin origin = ExecutionOrigin.OneOff, LockOccurrence? occurrence = null) => new()
    {
        Policy = _policies.Resolve(taskLock, "Job.Run"),
        Name = taskLock.Name,
        Scheduler = "Test",
        Job = "Job.Run",
        Execution = "1",
        Origin = origin,
        Occurrence = occurrence,
    };
}
