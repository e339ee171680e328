using JobLocking.Policy;

namespace JobLocking.Hosting;

/// <summary>The locks of types that a lock of one of their methods hides.</summary>
internal static class HiddenLocks
{
    public static IEnumerable<string> In(LockPolicies policies) =>
        from job in policies.Jobs
        where job.Method is not null
        let ofType = policies.DeclaredLockOf(job.Type)
        where ofType is not null && !ofType.Equals(policies.DeclaredLockOf(job.Type, job.Method))
        select $"'{job.Policy.Template}' on {DecoratedJobs.Describe(job.Type, job.Method)} hides '{ofType.Name}' on {job.Type}";
}
