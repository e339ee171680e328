using System.Reflection;

namespace JobLocking.Policy;

/// <summary>A type or a method that has a lock.</summary>
public sealed class LockedJob
{
    internal LockedJob(Type type, MethodInfo? method, LockPolicy policy, bool isForQuartz) =>
        (Type, Method, Policy, IsForQuartz) = (type, method, policy, isForQuartz);

    /// <summary>The type of the job.</summary>
    public Type Type { get; }

    /// <summary>The method, if the lock is its own.</summary>
    public MethodInfo? Method { get; }

    /// <summary>The lock.</summary>
    public LockPolicy Policy { get; }

    /// <summary>Whether it is a job for Quartz, or what only jobs for Quartz are derived from. All others are for Hangfire.</summary>
    public bool IsForQuartz { get; }
}
