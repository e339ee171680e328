using System.Reflection;
using JobLocking.Policy;

namespace JobLocking.Hangfire;

/// <summary>
/// Checks what is known when <c>UseTaskLocks</c> is called: the configuration (the start of a host would check it too, but there may be no
/// host) and the locks of methods. The lock of a class is checked with each job, since its method is not known before.
/// </summary>
internal static class StartChecks
{
    public static void Check(LockPolicies policies)
    {
        Refuse(policies.Problems());
        Refuse(
        [
            .. from known in policies.Methods
               where !IsQuartz(known.Method)
               from problem in Problems(policies, known.Method, known.Policy)
               select problem,
        ]);
    }

    public static IEnumerable<string> Problems(LockPolicies policies, MethodInfo method, LockPolicy policy)
    {
        if (!method.IsPublic && !ImplementedBy(method).Any(declared => policies.Find(declared.DeclaringType!, declared) is not null))
        {
            yield return $"Lock '{policy.Template}' of job {policy.Job}: [TaskLock] is on a method that is not public "
                + "and that no interface leads to, so that Hangfire never runs it under the lock. "
                + "Fix: make the method public, or put [TaskLock] on the one that is enqueued.";
        }

        if (policy.OncePerOccurrence == OncePerOccurrence.Always)
        {
            yield return JobExecution.NoOccurrence(policy);
        }

        foreach (string placeholder in policy.Placeholders.Where(p => JobExecution.IndexOf(method, p.Split('.')[0]) < 0))
        {
            string parameters = string.Join(", ", method.GetParameters().Select((p, i) => $"{{{p.Name}}} or {{{i}}}"));
            yield return $"Lock '{policy.Template}' of job {policy.Job}: Name has the placeholder {{{placeholder}}}, "
                + "but the method has no such parameter. Fix: "
                + (parameters.Length > 0 ? $"use {parameters}, or write {{{{ for a literal brace." : "write {{ for a literal brace.");
        }

        foreach (string problem in policy.MissingProperties(root =>
            JobExecution.IndexOf(method, root) is var index and >= 0 ? method.GetParameters()[index].ParameterType : null))
        {
            yield return problem;
        }
    }

    private static void Refuse(IReadOnlyList<string> problems)
    {
        if (problems.Count > 0)
        {
            throw new TaskLockException(string.Join(Environment.NewLine, problems.Distinct()));
        }
    }

    /// <summary>The methods of interfaces that a method implements, explicitly or not: it can be enqueued through them.</summary>
    private static IEnumerable<MethodInfo> ImplementedBy(MethodInfo method)
    {
        Type type = method.DeclaringType!;
        return from map in (type.IsInterface ? [] : type.GetInterfaces()).Select(type.GetInterfaceMap)
               from pair in map.InterfaceMethods.Zip(map.TargetMethods)
               where pair.Second == method
               select pair.First;
    }

    private static bool IsQuartz(MethodInfo method) =>
        Array.Exists(method.GetParameters(), p => p.ParameterType.FullName == "Quartz.IJobExecutionContext");
}
