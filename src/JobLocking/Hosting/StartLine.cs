using JobLocking.Engine;
using JobLocking.Policy;

namespace JobLocking.Hosting;

/// <summary>What a host logs about its locks at start: one line for each, with its job, its adapter and its options.</summary>
internal static class StartLine
{
    /// <summary>Begins with a line break; empty if no job has a lock.</summary>
    public static string Of(LockPolicies policies, LockAdapters adapters)
    {
        LockedJob[] jobs = [.. policies.Jobs];
        IEnumerable<string> known = jobs.Select(job => Line(job.Policy, Adapter(job, adapters), adapters));
        IEnumerable<string> byKey = adapters.Used.Select(policy => Line(policy, Schedulers(policy, adapters), adapters));
        return string.Concat(known.Concat(byKey.Where(line => !known.Contains(line))).Distinct().Order(StringComparer.Ordinal));
    }

    private static string Line(LockPolicy policy, string adapter, LockAdapters adapters) =>
        $"{Environment.NewLine}  '{policy.Template}' of {policy.Job}: {adapter}; {policy.DescribeSettings()}"
        + string.Concat(adapters.RemarksOn(policy).Select(remark => $"; {remark}"));

    private static string Adapter(LockedJob job, LockAdapters adapters)
    {
        if (Schedulers(job.Policy, adapters) is { Length: > 0 } schedulers)
        {
            return schedulers;
        }

        string scheduler = job.IsForQuartz ? "Quartz" : "Hangfire";
        return adapters.All.Any(a => a.Scheduler == scheduler)
            ? $"{scheduler}, no job has used it yet"
            : $"no job has used it yet (no adapter for {scheduler} in this process)";
    }

    private static string Schedulers(LockPolicy policy, LockAdapters adapters) => string.Join(", ", adapters.SchedulersOf(policy));
}
