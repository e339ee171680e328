using System.Reflection;
using Hangfire.Common;
using JobLocking.Policy;

namespace JobLocking.Hangfire;

/// <summary>A job as a user might enqueue it, to ask a filter provider for its filters.</summary>
internal sealed record JobSample(LockedJob Locked, Job Job)
{
    /// <summary>
    /// Null if Hangfire cannot enqueue such a job: an open generic type, a type without a method, arguments by reference.
    /// </summary>
    public static JobSample? Of(LockedJob locked)
    {
        MethodInfo? method = locked.Method
            ?? locked.Type.GetMethods().FirstOrDefault(m =>
                !m.IsSpecialName && m.DeclaringType != typeof(object) && !m.ContainsGenericParameters);
        if (method is null || locked.Type.ContainsGenericParameters || method.ContainsGenericParameters)
        {
            return null;
        }

        try
        {
            return new JobSample(locked, new Job(locked.Type, method, new object?[method.GetParameters().Length]));
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return null;
        }
    }
}
