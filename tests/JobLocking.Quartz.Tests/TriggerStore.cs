using Microsoft.Extensions.DependencyInjection;
using Quartz;
using Quartz.Extensibility;
using Quartz.Impl;

namespace JobLocking.Quartz.Tests;

/// <summary>A store in memory that lets a test do something at the moment at which a trigger is replaced.</summary>
internal sealed class TriggerStore(IServiceProvider services) : DelegatingJobStore(ActivatorUtilities.CreateInstance<RAMJobStore>(services))
{
    public Func<TriggerKey, Task> BeforeReplace { get; set; } = _ => Task.CompletedTask;

    public override async ValueTask<bool> ReplaceTrigger(TriggerKey triggerKey, IOperableTrigger newTrigger, CancellationToken cancellationToken = default)
    {
        await BeforeReplace(triggerKey);
        return await base.ReplaceTrigger(triggerKey, newTrigger, cancellationToken);
    }
}
