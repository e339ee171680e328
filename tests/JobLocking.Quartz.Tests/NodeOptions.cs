using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>What a test changes about a node.</summary>
internal sealed class NodeOptions(string name)
{
    public string Name { get; } = name;

    /// <summary>The name under which the scheduler is registered; null for the default one.</summary>
    public string? Scheduler { get; set; }

    /// <summary>The environment of the host.</summary>
    public string Environment { get; set; } = Environments.Production;

    public Action<QuartzTaskLockOptions>? TaskLocks { get; set; }

    public Action<IQuartzBuilder>? Quartz { get; set; }

    /// <summary>By default a scheduler starts during the start of the host.</summary>
    public Action<QuartzHostedServiceOptions> Hosted { get; set; } = o => o.AwaitApplicationStarted = false;

    public Action<IServiceCollection>? Services { get; set; }

    /// <summary>Gives the job called <see cref="Work.Name"/> a lock.</summary>
    public void Lock(TaskLockAttribute taskLock) => Lock(Work.Name, taskLock);

    /// <summary>Gives a job a lock.</summary>
    public void Lock(string job, TaskLockAttribute taskLock) => TaskLocks += o => o.ForJob(new JobKey(job), taskLock);
}
