using Hangfire.Server;

namespace JobLocking.Hangfire;

/// <summary>
/// Lets <see cref="TaskLockFilter"/> give a job under its lock a <see cref="LockedJobToken"/>: filters get copies of the context of the
/// job, and only a performer gets the context itself.
/// </summary>
/// <param name="inner">Performs the jobs.</param>
/// <param name="givesTokens">False if this version of Hangfire does not allow it.</param>
internal sealed class LockedJobPerformer(IBackgroundJobPerformer inner, bool givesTokens) : IBackgroundJobPerformer
{
    // A worker performs its job on its own thread.
    [ThreadStatic]
    private static PerformContext? _performed;

    public IBackgroundJobPerformer Inner => inner;

    public bool GivesTokens => givesTokens;

    /// <summary>The token that the job gets for the time of its lease; null if it keeps that of Hangfire.</summary>
    /// <param name="filter">The context of a filter.</param>
    /// <param name="lease">Null for a job that runs without its lock.</param>
    public static LockedJobToken? GiveToken(PerformContext filter, TaskLease? lease) =>
        lease is not null && _performed is { } job && ReferenceEquals(job.Items, filter.Items)
            ? LockedJobToken.Give(job, lease.Lost)
            : null;

    public object? Perform(PerformContext context)
    {
        PerformContext? outer = _performed;
        _performed = givesTokens ? context : null;
        try
        {
            return inner.Perform(context);
        }
        finally
        {
            _performed = outer;
        }
    }
}
