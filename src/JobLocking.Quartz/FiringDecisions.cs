using System.Diagnostics;
using System.Runtime.CompilerServices;
using JobLocking.Engine;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// Decides about each firing of one scheduler: describes it to the engine, asks for its lock, and carries out all decisions but a run.
/// The middleware does the rest.
/// </summary>
/// <remarks>
/// A decision passes these phases:
/// <list type="table">
/// <listheader><term>Phase</term><description>What happens</description></listheader>
/// <item><term>Replaced?</term><description>Ends a firing whose trigger a wake-up has replaced (<see cref="WakeUp"/>).</description></item>
/// <item>
/// <term>Describe</term>
/// <description>
/// Finds the lock and makes the <see cref="LockExecution"/> (<see cref="JobExecution"/>); without a lock, the job runs.
/// </description>
/// </item>
/// <item>
/// <term>Ask</term>
/// <description>
/// Waits for the firings that this one cancels (<see cref="OverlappingFirings"/>), then asks the engine.
/// </description>
/// </item>
/// <item>
/// <term>Not now</term>
/// <description>
/// Reports a skip (<see cref="JobDecision"/>), or stores a deferral (<see cref="PendingDeferrals"/>).
/// </description>
/// </item>
/// </list>
/// </remarks>
internal sealed class FiringDecisions(
    LockEngine engine,
    JobExecution description,
    PendingDeferrals deferrals,
    WakeUp wakeUp,
    OverlappingFirings overlapping,
    SchedulerShutdown shutdown,
    HostShutdown stop,
    QuartzTaskLockOptions options,
    ILogger logger)
{
    /// <summary>The exception that fails a firing for its lock.</summary>
    public static JobExecutionException Failure(Exception error) => new(error.Message, error);

    /// <summary>Decides about a firing.</summary>
    /// <param name="context">The firing.</param>
    /// <param name="again">The firing has asked before, and its lease was given back unused.</param>
    /// <param name="cancellationToken">Gives up the acquire.</param>
    /// <exception cref="JobExecutionException">The firing fails for its lock, or its deferral cannot be stored.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<FiringDecision> DecideAsync(IJobExecutionContext context, bool again, CancellationToken cancellationToken)
    {
        Firing firing = Firing.Read(context);

        // A retry may have the key of a trigger that was replaced, but it has no deferral state (RetryOfReplacedDeferral).
        if (firing.Wait is { State: not null } && await wakeUp.HasReplacedAsync(context.Trigger.Key).ConfigureAwait(false))
        {
            return FiringDecision.NotNow(JobDecision.Woken(), options.DeferAs);
        }

        if (await DescribeAsync(firing).ConfigureAwait(false) is not (var described, var execution))
        {
            return default;
        }

        firing = described;

        if (again)
        {
            // The lease that was given back has spent the deferral, so the store would take this firing for a copy of itself.
            execution = execution with { MayHaveCopies = false };
        }

        OverlappingFirings.Member? member = overlapping.Enter(firing);
        FiringDecision decision = default;
        try
        {
            decision = await stop.WatchAsync(AskAsync(firing, execution, member, cancellationToken)).ConfigureAwait(false);
            return decision;
        }
        finally
        {
            if (decision.Run is null)
            {
                member?.Dispose();
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(Firing Firing, LockExecution Execution)?> DescribeAsync(Firing firing)
    {
        // Neither the job nor the name of its lock may see the values of a deferral in the data.
        if (firing.Deferred is not null)
        {
            StoredDeferral.HideFrom(firing.Context.MergedJobDataMap);
        }

        try
        {
            return await description.DescribeAsync(firing).ConfigureAwait(false);
        }
        catch (TaskLockException e)
        {
            throw Failure(e);
        }
    }

    private async Task<FiringDecision> AskAsync(
        Firing firing, LockExecution execution, OverlappingFirings.Member? member, CancellationToken cancellationToken)
    {
        if (member is not null)
        {
            await overlapping.PredecessorsEndedAsync(member, cancellationToken).ConfigureAwait(false);
        }

        switch (await AskEngineAsync(execution, firing.Context, cancellationToken).ConfigureAwait(false))
        {
            case LockDecision.Run run:
                return new FiringDecision { Run = run, Overlapping = member };
            case LockDecision.Skip { IsCopy: true }:
                return FiringDecision.NotNow(JobDecision.Copy(execution), options.DeferAs);
            case LockDecision.Skip skip:
                return FiringDecision.NotNow(JobDecision.Skipped(execution, skip), options.SkipAs);
            case LockDecision.Defer defer:
                JobRunReport report = await deferrals.StoreAsync(firing, execution, defer).ConfigureAwait(false);
                return FiringDecision.NotNow(report, options.DeferAs);
            case LockDecision.Fail fail:
                throw Failure(fail.Error);
            default:
                throw new UnreachableException();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<LockDecision> AskEngineAsync(
        LockExecution execution, IJobExecutionContext context, CancellationToken cancellationToken)
    {
        try
        {
            return await engine.DecideAsync(execution, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (shutdown.IsStopping(context.Scheduler))
        {
            // A cancelled firing would be lost. A failed one is retried, if its store outlives the process.
            Log.GivenUpByShutdown(logger, context.JobDetail.Key, execution.Execution, execution.Name);
            throw new JobExecutionException(
                $"The scheduler shut down while the job waited for lock '{execution.Name}', so the job did not run.", e);
        }
        catch (OperationCanceledException)
        {
            Log.Interrupted(logger, context.JobDetail.Key, execution.Execution, execution.Name);
            throw;
        }
    }
}
