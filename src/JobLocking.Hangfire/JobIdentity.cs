using System.Collections.Concurrent;
using System.Reflection;
using Hangfire.Common;
using Hangfire.Storage;
using JobLocking.Policy;

namespace JobLocking.Hangfire;

/// <summary>The identity of a recurring job, the same on every node.</summary>
internal static class JobIdentity
{
    private static readonly ConcurrentDictionary<(Type, MethodInfo), string> Methods = [];

    /// <param name="job">The job.</param>
    /// <param name="recurringJobId">The id of the recurring job that it comes from.</param>
    /// <param name="installation">From <see cref="Installations"/>; null if it is not known.</param>
    public static string? Of(Job job, string recurringJobId, string? installation)
    {
        if (installation is null)
        {
            return null;
        }

        string method = Methods.GetOrAdd((job.Type, job.Method), static call => Describe(call.Item1, call.Item2));
        return SameJob.Of(method, recurringJobId, Arguments(job), installation);
    }

    /// <summary>Full names, without the versions of assemblies. Overloads and closed generic methods differ.</summary>
    private static string Describe(Type type, MethodInfo method)
    {
        string generic = string.Join<Type>(',', method.GetGenericArguments());
        string parameters = string.Join(',', method.GetParameters().Select(p => p.ParameterType));
        return $"{type}.{method.Name}[{generic}]({parameters})";
    }

    /// <summary>As Hangfire stores them.</summary>
    private static string? Arguments(Job job)
    {
        if (job.Args.Count == 0)
        {
            return "";
        }

        try
        {
            return InvocationData.SerializeJob(job).Arguments;
        }
        catch (Exception)
        {
            return null; // Hangfire cannot serialize these arguments, so they cannot be compared.
        }
    }
}
