using System.Reflection;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The methods of delegate jobs. All delegate jobs have one type, and Quartz does not show their delegates, so a <c>[TaskLock]</c> on
/// such a method has no effect, and only reflection finds it.
/// </summary>
internal sealed class DelegateHandlers(IServiceProvider services)
{
    private const BindingFlags Instance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    private static readonly Type? RegistryType = typeof(IScheduler).Assembly.GetType("Quartz.Configuration.DelegateJobRegistry");

    private static readonly MethodInfo? Find = RegistryType?.GetMethod("Find", Instance, [typeof(string), typeof(JobKey)]);

    /// <summary>The method that a job calls; null if it is no delegate job, or if this version of Quartz keeps it elsewhere.</summary>
    public MethodInfo? Of(IScheduler scheduler, JobKey job)
    {
        object? registry = RegistryType is null ? null : services.GetService(RegistryType);
        object? binding = registry is null ? null : Find?.Invoke(registry, [scheduler.SchedulerName, job]);
        return binding?.GetType().GetField("method", Instance)?.GetValue(binding) as MethodInfo;
    }
}
