using System.Reflection;
using JobLocking.Policy;

namespace JobLocking.Engine;

/// <summary>A type or a method that has a lock.</summary>
public sealed class LockedJob
{
    internal LockedJob(Type type, MethodInfo? method, LockPolicy policy) => (Type, Method, Policy) = (type, method, policy);

    /// <summary>The type of the job.</summary>
    public Type Type { get; }

    /// <summary>The method, if it has the lock by itself.</summary>
    public MethodInfo? Method { get; }

    /// <summary>The lock.</summary>
    public LockPolicy Policy { get; }

    /// <summary>Whether it is a job for Quartz. All others are for Hangfire.</summary>
    public bool IsForQuartz => DecoratedJobs.IsForQuartz(Type, Method);
}
