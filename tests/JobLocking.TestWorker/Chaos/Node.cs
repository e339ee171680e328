using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace JobLocking.TestWorker.Chaos;

/// <summary>What a host offers to code that takes locks by hand, and to an adapter.</summary>
internal sealed class Node(IServiceProvider services)
{
    private readonly LockPolicies _policies = services.GetRequiredService<LockPolicies>();

    public ITaskLocks Locks { get; } = services.GetRequiredService<ITaskLocks>();

    public LockEngine Engine { get; } = services.GetRequiredService<LockEngine>();

    /// <summary>As long-lived as the token of a scheduler: a registration that is not removed stays in memory.</summary>
    public CancellationToken Lives { get; } = services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopped;

    public LockExecution Execution(TaskLockAttribute taskLock, string name, ExecutionOrigin origin = ExecutionOrigin.OneOff, LockOccurrence? occurrence = null) => new()
    {
        Policy = _policies.Resolve(taskLock, "Job.Run"),
        Name = name,
        Scheduler = "Test",
        Job = "Job.Run",
        Execution = "1",
        Origin = origin,
        Occurrence = occurrence,
        EndOfWait = Lives,
    };
}
