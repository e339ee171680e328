using System.Reflection;

namespace JobLocking.Policy;

/// <summary>The lock that a job has by itself: given to it in code, else by an attribute.</summary>
internal sealed class OwnLocks(IReadOnlyCollection<JobLock> inCode)
{
    /// <summary>The lock of a method, or of a type when <paramref name="method"/> is null.</summary>
    public TaskLockAttribute? Of(Type type, MethodInfo? method) => InCode(type, method?.Name) ?? DecoratedJobs.LockOf(type, method);

    /// <summary>Given to the type itself, or to the nearest of what it is derived from.</summary>
    public TaskLockAttribute? InCode(Type type, string? method)
    {
        for (Type? current = type; current is not null; current = current.BaseType)
        {
            if (Given(current, method) is { } taskLock)
            {
                return taskLock;
            }
        }

        (Type Type, TaskLockAttribute Lock)[] ofInterfaces =
        [
            .. from contract in type.GetInterfaces()
               let taskLock = Given(contract, method)
               where taskLock is not null
               group contract by taskLock! into same
               select (same.First(), same.Key),
        ];
        return ofInterfaces.Length <= 1 ? ofInterfaces.FirstOrDefault().Lock : throw new TaskLockException(
            $"Job {type}{(method is null ? "" : $".{method}")} has two locks in code, {string.Join(" and ", ofInterfaces.Select(j => $"'{j.Lock.Name}' on {j.Type}"))}. Fix: call ForJob<{type.Name}>{(method is null ? "" : $"(\"{method}\", …)")} with the lock that applies.");
    }

    /// <summary>Given to this very type, else to its generic definition.</summary>
    private TaskLockAttribute? Given(Type type, string? method) =>
        inCode.FirstOrDefault(j => j.Type == type && j.Method == method)?.Lock
        ?? (type is { IsGenericType: true, IsGenericTypeDefinition: false } ? Given(type.GetGenericTypeDefinition(), method) : null);
}
