using System.Runtime.ExceptionServices;
using Hangfire.Common;
using Hangfire.Server;

namespace JobLocking.Hangfire;

/// <summary>
/// Puts the lock on the span of the job. It is the innermost filter, since a filter that traces jobs starts its span after
/// <see cref="TaskLockFilter"/>, the outermost, has acquired the lock, and ends the span before the lock is released. It is also the
/// first to see the exception of a job that was cancelled by its <see cref="LockedJobToken"/>.
/// </summary>
internal sealed class JobSpanFilter : IServerFilter, IJobFilter
{
    private JobSpanFilter()
    {
    }

    /// <summary>It has no state, so one instance is enough.</summary>
    public static JobSpanFilter Instance { get; } = new();

    public int Order => int.MaxValue;

    public bool AllowMultiple => false;

    public void OnPerforming(PerformingContext context) => TaskLockFilter.RunOf(context)?.JobBegins();

    public void OnPerformed(PerformedContext context)
    {
        TaskLockFilter.RunOf(context)?.JobEnds();
        if (context.Exception is OperationCanceledException cancelled && TaskLockFilter.HasOwnToken(context))
        {
            // Hangfire catches it, and judges it by the token of this context, its own: aborted, shut down, or failed.
            ExceptionDispatchInfo.Throw(cancelled);
        }
    }
}
