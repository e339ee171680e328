using Hangfire.Common;
using Hangfire.Server;

namespace JobLocking.Hangfire;

/// <summary>
/// Innermost of all filters, as <see cref="TaskLockFilter"/> is the outermost: a filter that traces jobs starts its span after the
/// lock was had, and ends it before the lock is given back. So the job's span is told of the lock from here.
/// </summary>
internal sealed class JobSpanFilter : IServerFilter, IJobFilter
{
    private JobSpanFilter()
    {
    }

    /// <summary>It has no state: one is enough, and which one of several Hangfire keeps makes no difference.</summary>
    public static JobSpanFilter Instance { get; } = new();

    public int Order => int.MaxValue;

    public bool AllowMultiple => false;

    public void OnPerforming(PerformingContext context) => TaskLockFilter.RunOf(context)?.JobBegins();

    public void OnPerformed(PerformedContext context) => TaskLockFilter.RunOf(context)?.JobEnds();
}
