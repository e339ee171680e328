using System.Reflection;

namespace JobLocking.Policy;

/// <summary>
/// Finds the lock of a job that is enqueued through a contract (an interface, an abstract class or a base class) that has no lock of its
/// own: the lock of the class that implements it. Only the container knows which class will do the work, and not always in time. Even so,
/// to run the work without the lock that its class declares would be the worse mistake.
/// </summary>
internal sealed class ImplementationLocks(LockDeclarations declarations, ServiceImplementations container)
{
    /// <summary>The lock of the class that implements the contract, and where it is declared; null if there is none.</summary>
    /// <param name="contract">The type through which the job is enqueued.</param>
    /// <param name="method">Its method, if the job is a method.</param>
    /// <param name="known">The types that have locks.</param>
    /// <exception cref="TaskLockException">
    /// The implementations have different locks, and the container does not say which one is used.
    /// </exception>
    public Implementation? LockOf(Type contract, MethodInfo? method, IEnumerable<Type> known)
    {
        Type? made = container.ImplementationOf(contract);
        if (contract is { IsAbstract: false, IsInterface: false })
        {
            // The contract is a class that can do the work itself. Another class does it only if it is registered for that. What a
            // factory creates is not known, and a job that needs no lock must not wait for the lock of another job.
            known = made is not null ? [made] : [];
        }

        Implementation[] found =
        [
            .. from type in known.Where(t => t.IsClass && t != contract).Select(t => As(t, contract)).OfType<Type>().Distinct()
               let implementation = LockOf(method, type)
               where implementation is not null
               select implementation,
        ];
        if (found.Select(f => f.Lock).Distinct().Count() <= 1)
        {
            return found.FirstOrDefault();
        }

        (string a, string the) = contract.IsInterface ? ("an interface", "the interface") : ("a base class", "the base class");
        return Array.Find(found, f => f.Type == made) ?? throw new TaskLockException(
            $"Job {DecoratedJobs.Describe(contract, method)} is enqueued through {a} whose implementations have different locks: "
            + $"{string.Join(", ", found.Select(f => $"'{f.Lock.Name}' on {f.Type}"))}. "
            + $"Fix: put [TaskLock] on {the}, or enqueue the class.");
    }

    private Implementation? LockOf(MethodInfo? method, Type type)
    {
        if (method is not null)
        {
            MethodInfo? target = TargetOf(type, method);
            if ((declarations.InCode(type, method.Name) ?? (target is null ? null : declarations.Of(type, target))) is { } ofMethod)
            {
                return new Implementation(type, target ?? method, ofMethod);
            }
        }

        return declarations.Of(type, null) is { } ofType ? new Implementation(type, null, ofType) : null;
    }

    /// <summary>The class as an implementation of the contract, or null.</summary>
    private static Type? As(Type type, Type contract) =>
        type.IsGenericTypeDefinition ? OpenGenericTypes.Close(type, contract) : contract.IsAssignableFrom(type) ? type : null;

    /// <summary>The method of a class that runs when a method of its contract is called.</summary>
    private static MethodInfo? TargetOf(Type type, MethodInfo method)
    {
        MethodInfo definition = method.IsGenericMethod ? method.GetGenericMethodDefinition() : method;
        if (type.IsGenericTypeDefinition || method.IsStatic)
        {
            return null;
        }

        if (!method.DeclaringType!.IsInterface)
        {
            RuntimeMethodHandle root = definition.GetBaseDefinition().MethodHandle;
            MethodInfo[] methods = type.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance);
            return Array.Find(methods, m => m.GetBaseDefinition().MethodHandle == root);
        }

        InterfaceMapping map = type.GetInterfaceMap(method.DeclaringType!);
        int index = Array.FindIndex(map.InterfaceMethods, m => m.MethodHandle == definition.MethodHandle);
        return index < 0 ? null : map.TargetMethods[index];
    }

    /// <summary>Where the lock of a contract is declared.</summary>
    public sealed record Implementation(Type Type, MethodInfo? Method, TaskLockAttribute Lock);
}
