using System.Reflection;
using System.Runtime.CompilerServices;

namespace JobLocking.Policy;

/// <summary>Finds the [TaskLock] of a job, and all jobs that have one, so that a bad declaration stops the host at start.</summary>
internal static class DecoratedJobs
{
    private const BindingFlags DeclaredMethods =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>
    /// The lock of a method, or of a type when <paramref name="method"/> is null: its own or inherited lock, otherwise the lock of an
    /// interface.
    /// </summary>
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
                    $"Job {Describe(type, method)} has two locks, '{found.Name}' and '{candidate.Name}', from two interfaces. "
                    + "Fix: put [TaskLock] on the job itself.");
            }

            found ??= candidate;
        }

        return found;
    }

    /// <summary>All types and methods with a lock, in these assemblies.</summary>
    public static IEnumerable<(Type Type, MethodInfo? Method)> In(IEnumerable<Assembly> assemblies)
    {
        foreach (Type type in assemblies.SelectMany(TypesOf))
        {
            if (type.IsDefined(typeof(TaskLockAttribute), inherit: false))
            {
                yield return (type, null);
            }

            foreach (MethodInfo method in type.GetMethods(DeclaredMethods))
            {
                if (method.IsDefined(typeof(TaskLockAttribute), inherit: false))
                {
                    yield return (type, method);
                }
            }
        }
    }

    public static string Describe(Type type, MethodInfo? method) => method is null ? $"{type}" : $"{type}.{method.Name}";

    /// <summary>Whether the method is a lambda or a local function: schedulers do not read the attributes of those.</summary>
    public static bool IsLambda(MethodInfo method) =>
        method.Name.StartsWith('<')
        || method.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false)
        || method.DeclaringType?.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false) == true;

    /// <summary>Whether a job is one for Quartz, which is not referenced here; all others are for Hangfire.</summary>
    public static bool IsForQuartz(Type type, MethodInfo? method) =>
        type.GetInterfaces().Append(type).Any(i => i.FullName == "Quartz.IJob")
        || method?.GetParameters().Any(p => p.ParameterType.FullName == "Quartz.IJobExecutionContext") == true;

    /// <summary>The loaded classes that implement an interface or are derived from a class, and are not abstract.</summary>
    public static IEnumerable<Type> DerivedFrom(Type contract) =>
        from assembly in AppDomain.CurrentDomain.GetAssemblies()
        where assembly == contract.Assembly
            || (!assembly.IsDynamic && assembly.GetReferencedAssemblies().Any(r => r.Name == contract.Assembly.GetName().Name))
        from type in TypesOf(assembly)
        where type is { IsClass: true, IsAbstract: false } && type != contract && contract.IsAssignableFrom(type)
        select type;

    public static bool AreDerivedFrom(Type type) => !type.IsSealed && DerivedFrom(type).Any();

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
                // By handle, not by reference: reflection on a derived type gives another object for the same method.
                if (map.TargetMethods[i].MethodHandle == definition.MethodHandle)
                {
                    yield return map.InterfaceMethods[i];
                }
            }
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
