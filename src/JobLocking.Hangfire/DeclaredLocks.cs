using System.Reflection;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>Checks the locks of methods before a server starts. The lock of a class is checked with each job: only then its method is known.</summary>
internal static class DeclaredLocks
{
    public static void Check(LockPolicies policies)
    {
        string[] problems = [.. policies.Methods.Where(known => !IsQuartz(known.Method)).SelectMany(known => Problems(known.Method, known.Policy))];
        if (problems.Length > 0)
        {
            throw new TaskLockException(string.Join(Environment.NewLine, problems));
        }
    }

    private static IEnumerable<string> Problems(MethodInfo method, LockPolicy policy)
    {
        if (policy.OncePerOccurrence)
        {
            yield return JobExecution.NoOccurrence(policy);
        }

        foreach (string placeholder in policy.Placeholders.Where(p => JobExecution.IndexOf(method, p.Split('.')[0]) < 0))
        {
            string parameters = string.Join(", ", method.GetParameters().Select((p, i) => $"{{{p.Name}}} or {{{i}}}"));
            yield return $"Lock '{policy.Template}' of job {policy.Job}: Name has the placeholder {{{placeholder}}}, but the method has no such parameter. Fix: "
                + (parameters.Length > 0 ? $"use {parameters}, or write {{{{ for a literal brace." : "write {{ for a literal brace.");
        }
    }

    private static bool IsQuartz(MethodInfo method) =>
        Array.Exists(method.GetParameters(), p => p.ParameterType.FullName == "Quartz.IJobExecutionContext");
}
