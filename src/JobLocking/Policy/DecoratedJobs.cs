using System.Reflection;

namespace JobLocking.Policy;

/// <summary>Finds the lock that a job carries, and all that carry one, so that a bad declaration stops the host and not a job at night.</summary>
internal static class DecoratedJobs
{
    private static readonly string Ours = typeof(TaskLockAttribute).Assembly.GetName().Name!;

    /// <summary>The lock of a method, or of a type when <paramref name="method"/> is null: its own or inherited, else that of an interface.</summary>
    public static TaskLockAttribute? LockOf(Type type, MethodInfo? method)
    {
        MemberInfo member = method is null ? type : method;
        if (member.GetCustomAttribute<TaskLockAttribute>(inherit: true) is { } own)
        {
            return own;
        }

        TaskLockAttribute? found = null;
        foreach (MemberInfo declared in method is null ? type.GetInterfaces() : InterfaceMethods(type, method).Cast<MemberInfo>())
        {
            TaskLockAttribute? candidate = declared.GetCustomAttribute<TaskLockAttribute>(inherit: false);
            if (found is not null && candidate is not null && !found.Equals(candidate))
            {
                throw new TaskLockException(
                    $"Job {Describe(type, method)} has two locks, '{found.Name}' and '{candidate.Name}', from two interfaces. Fix: put [TaskLock] on the job itself.");
            }

            found ??= candidate;
        }

        return found;
    }

    /// <summary>All types and methods that carry a lock, in the assemblies that use JobLocking.</summary>
    public static IEnumerable<(Type Type, MethodInfo? Method)> In(IEnumerable<Assembly> assemblies)
    {
        foreach (Type type in assemblies.SelectMany(TypesOf))
        {
            if (type.IsDefined(typeof(TaskLockAttribute), inherit: false))
            {
                yield return (type, null);
            }

            foreach (MethodInfo method in type.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
            {
                if (method.IsDefined(typeof(TaskLockAttribute), inherit: false))
                {
                    yield return (type, method);
                }
            }
        }
    }

    /// <summary>The entry assembly, what it references, and whatever else is loaded, as far as it uses JobLocking.</summary>
    public static IReadOnlyList<Assembly> AssembliesOfThisProcess()
    {
        Dictionary<string, Assembly> found = [];
        foreach (Assembly assembly in AppDomain.CurrentDomain.GetAssemblies())
        {
            if (!assembly.IsDynamic)
            {
                found.TryAdd(assembly.FullName!, assembly);
            }
        }

        foreach (AssemblyName reference in Assembly.GetEntryAssembly()?.GetReferencedAssemblies() ?? [])
        {
            if (!found.ContainsKey(reference.FullName) && TryLoad(reference) is { } assembly)
            {
                found.TryAdd(assembly.FullName!, assembly);
            }
        }

        return [.. found.Values.Where(a => a.GetReferencedAssemblies().Any(r => r.Name == Ours))];
    }

    /// <summary>
    /// The lock of whatever class implements an interface through which a job is enqueued: nobody knows which class will be
    /// used, but to run it without the lock that stands on it is the worse mistake.
    /// </summary>
    public static TaskLockAttribute? LockOfImplementations(Type contract, MethodInfo? method, IEnumerable<Assembly> assemblies)
    {
        (Type Type, TaskLockAttribute Lock)[] found =
        [
            .. from type in In(assemblies).Select(known => known.Type).Distinct()
               where type is { IsClass: true, IsGenericTypeDefinition: false } && contract.IsAssignableFrom(type)
               let target = method is null ? null : TargetOf(type, method)
               let taskLock = (target is null ? null : LockOf(type, target)) ?? LockOf(type, null)
               where taskLock is not null
               select (type, taskLock),
        ];
        return found.Select(f => f.Lock).Distinct().Count() <= 1 ? found.FirstOrDefault().Lock : throw new TaskLockException(
            $"Job {Describe(contract, method)} is enqueued through an interface whose implementations have different locks: "
            + $"{string.Join(", ", found.Select(f => $"'{f.Lock.Name}' on {f.Type}"))}. Fix: put [TaskLock] on the interface, or enqueue the class.");
    }

    public static string Describe(Type type, MethodInfo? method) => method is null ? $"{type}" : $"{type}.{method.Name}";

    private static IEnumerable<MethodInfo> InterfaceMethods(Type type, MethodInfo method)
    {
        if (type.IsInterface)
        {
            yield break;
        }

        MethodInfo definition = method.IsGenericMethod ? method.GetGenericMethodDefinition() : method;
        foreach (Type contract in type.GetInterfaces())
        {
            InterfaceMapping map = type.GetInterfaceMap(contract);
            for (int i = 0; i < map.TargetMethods.Length; i++)
            {
                // By what they are, not by reference: the same method is another object when reflected from a derived type.
                if (map.TargetMethods[i].MethodHandle == definition.MethodHandle)
                {
                    yield return map.InterfaceMethods[i];
                }
            }
        }
    }

    private static MethodInfo? TargetOf(Type type, MethodInfo method)
    {
        InterfaceMapping map = type.GetInterfaceMap(method.DeclaringType!);
        MethodInfo definition = method.IsGenericMethod ? method.GetGenericMethodDefinition() : method;
        int index = Array.FindIndex(map.InterfaceMethods, m => m.MethodHandle == definition.MethodHandle);
        return index < 0 ? null : map.TargetMethods[index];
    }

    private static Assembly? TryLoad(AssemblyName name)
    {
        try
        {
            return Assembly.Load(name);
        }
        catch (Exception e) when (e is IOException or BadImageFormatException)
        {
            // A reference that is not shipped: whatever needs it fails with a better message than ours.
            return null;
        }
    }

    private static IEnumerable<Type> TypesOf(Assembly assembly)
    {
        try
        {
            return assembly.GetTypes();
        }
        catch (ReflectionTypeLoadException e)
        {
            return e.Types.OfType<Type>();
        }
    }
}
