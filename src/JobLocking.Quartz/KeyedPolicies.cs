using System.Collections.Concurrent;
using System.Reflection;
using JobLocking.Policy;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>The locks of the jobs of one scheduler: those given by key, then those of the types.</summary>
internal sealed class KeyedPolicies
{
    private readonly LockPolicies _policies;
    private readonly Dictionary<JobKey, LockPolicy> _byKey = [];

    // Reflection finds the method that does the work. That is too slow for each firing.
    private readonly ConcurrentDictionary<Type, MethodInfo?> _execute = [];

    /// <exception cref="TaskLockException">A lock that was given by key is declared wrongly.</exception>
    public KeyedPolicies(LockPolicies policies, QuartzTaskLockOptions options)
    {
        _policies = policies;
        foreach ((JobKey job, TaskLockAttribute taskLock) in options.Jobs)
        {
            if (!_byKey.TryAdd(job, policies.Resolve(taskLock, $"{job}")))
            {
                throw new TaskLockException(
                    $"Job {job} was given two locks by key, '{_byKey[job].Template}' and '{taskLock.Name}'. Fix: keep one ForJob call.");
            }
        }
    }

    /// <summary>The jobs that were given a lock by key.</summary>
    public IReadOnlyDictionary<JobKey, LockPolicy> ByKey => _byKey;

    /// <exception cref="TaskLockException">The lock of the type is declared wrongly.</exception>
    public LockPolicy? Find(JobKey key, Type? type) =>
        _byKey.GetValueOrDefault(key) ?? (type is null ? null : Find(type));

    /// <summary>The lock of a type.</summary>
    /// <exception cref="TaskLockException">The lock is declared wrongly.</exception>
    public LockPolicy? Find(Type type) => _policies.Find(type, _execute.GetOrAdd(type, ExecuteOf));

    /// <summary>The method of the class that does the work, which may carry a lock of its own.</summary>
    private static MethodInfo? ExecuteOf(Type type)
    {
        if (type.IsInterface)
        {
            // Only the container knows the class that does the work, so the method of the interface is used.
            Type declared = type.GetInterfaces()
                .FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IJob<>)) ?? typeof(IJob);
            return declared.GetMethod(nameof(IJob.Execute), BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly);
        }

        MethodInfo execute = type.GetInterfaceMap(typeof(IJob)).TargetMethods[0];

        // A job with an input inherits Execute from IJob<TInput>, where it calls the one with the input.
        return execute.DeclaringType is { IsInterface: true } contract
            ? type.GetInterfaceMap(contract).TargetMethods.FirstOrDefault(m => m.DeclaringType is { IsInterface: false })
            : execute;
    }
}
