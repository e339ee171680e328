using System.Reflection;

namespace JobLocking.Policy;

/// <summary>The lock that is declared for a job itself: by <c>ForJob</c> in code, otherwise by an attribute.</summary>
internal sealed class LockDeclarations(IReadOnlyCollection<ForJobDeclaration> inCode)
{
    /// <summary>The lock of a method, or of a type when <paramref name="method"/> is null.</summary>
    public TaskLockAttribute? Of(Type type, MethodInfo? method) => InCode(type, method?.Name) ?? DecoratedJobs.LockOf(type, method);

    /// <summary>Declared in code for the type itself, or for the nearest of its base classes and interfaces.</summary>
    public TaskLockAttribute? InCode(Type type, string? method)
    {
        for (Type? current = type; current is not null; current = current.BaseType)
        {
            if (DeclaredFor(current, method) is { } taskLock)
            {
                return taskLock;
            }
        }

        (Type Type, TaskLockAttribute Lock)[] ofInterfaces =
        [
            .. from contract in type.GetInterfaces()
               let taskLock = DeclaredFor(contract, method)
               where taskLock is not null
               group contract by taskLock! into same
               select (same.First(), same.Key),
        ];
        if (ofInterfaces.Length <= 1)
        {
            return ofInterfaces.FirstOrDefault().Lock;
        }

        string locks = string.Join(" and ", ofInterfaces.Select(j => $"'{j.Lock.Name}' on {j.Type}"));
        (string job, string call) = method is null
            ? ($"{type}", $"ForJob<{type.Name}>")
            : ($"{type}.{method}", $"ForJob<{type.Name}>(\"{method}\", …)");
        throw new TaskLockException($"Job {job} has two locks in code, {locks}. Fix: call {call} with the lock that applies.");
    }

    /// <summary>Declared in code for exactly this type, otherwise for its generic definition.</summary>
    private TaskLockAttribute? DeclaredFor(Type type, string? method) =>
        inCode.FirstOrDefault(j => j.Type == type && j.Method == method)?.Lock
        ?? (type is { IsGenericType: true, IsGenericTypeDefinition: false } ? DeclaredFor(type.GetGenericTypeDefinition(), method) : null);
}
