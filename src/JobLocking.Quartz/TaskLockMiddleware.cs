using System.Runtime.CompilerServices;
using JobLocking.Engine;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Describes each firing of one scheduler to the engine, asks for its lock, and carries out the decision.</summary>
/// <remarks>
/// A firing passes these phases:
/// <list type="table">
/// <listheader><term>Phase</term><description>What the middleware does</description></listheader>
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
/// <item>
/// <term>Run</term>
/// <description>
/// Runs the job under its lease. The loss of the lease interrupts the firing and fails it.
/// </description>
/// </item>
/// </list>
/// </remarks>
internal sealed class TaskLockMiddleware(
    LockEngine engine,
    JobExecution description,
    PendingDeferrals deferrals,
    WakeUp wakeUp,
    OverlappingFirings overlapping,
    SchedulerShutdown shutdown,
    HostShutdown stop,
    ILogger logger) : IJobExecutionMiddleware
{
    public async ValueTask Invoke(IJobExecutionContext context, JobExecutionDelegate next, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);

        Firing firing = Firing.Read(context);

        // A retry may have the key of a trigger that was replaced, but it has no deferral state (RetryOfReplacedDeferral).
        if (firing.Wait is { State: not null } && await wakeUp.HasReplacedAsync(context.Trigger.Key).ConfigureAwait(false))
        {
            context.Result = JobDecision.Woken();
            return;
        }

        if (await DescribeAsync(firing).ConfigureAwait(false) is not (var described, var execution))
        {
            await next(context, cancellationToken).ConfigureAwait(false);
            return;
        }

        firing = described;
        using OverlappingFirings.Member? member = overlapping.Enter(firing);
        if (await stop.WatchAsync(AskAsync(firing, execution, member, cancellationToken)).ConfigureAwait(false) is { } run)
        {
            await RunAsync(run, context, next, cancellationToken).ConfigureAwait(false);
        }
    }

    private static JobExecutionException Failure(Exception error) => new(error.Message, error);

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

    /// <summary>Asks for the lock. Null if the job is not to run now; then the decision has been carried out.</summary>
    private async Task<LockDecision.Run?> AskAsync(
        Firing firing, LockExecution execution, OverlappingFirings.Member? member, CancellationToken cancellationToken)
    {
        IJobExecutionContext context = firing.Context;
        if (member is not null)
        {
            await overlapping.PredecessorsEndedAsync(member, cancellationToken).ConfigureAwait(false);
        }

        switch (await DecideAsync(execution, context, cancellationToken).ConfigureAwait(false))
        {
            case LockDecision.Run run:
                return run;
            case LockDecision.Skip { IsCopy: true }:
                context.Result = JobDecision.Copy(execution);
                break;
            case LockDecision.Skip skip:
                context.Result = JobDecision.Skipped(execution, skip);
                break;
            case LockDecision.Defer defer:
                context.Result = await deferrals.StoreAsync(firing, execution, defer).ConfigureAwait(false);
                break;
            case LockDecision.Fail fail:
                throw Failure(fail.Error);
        }

        return null;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<LockDecision> DecideAsync(
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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RunAsync(
        LockDecision.Run run, IJobExecutionContext context, JobExecutionDelegate next, CancellationToken cancellationToken)
    {
        run.Enter();
        run.JobBegins();
        try
        {
            using CancellationTokenRegistration lost = run.Lease?.Lost.UnsafeRegister(_ => _ = InterruptAsync(context), null) ?? default;
            await next(context, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            // Aborted by the shutdown, whatever the job threw: it may wrap the cancellation, watch the host instead of its token, or
            // fail because the host has disposed a service.
            if (await run.EndAsync(error, aborted: shutdown.IsStopping(context.Scheduler)).ConfigureAwait(false) is { } lost)
            {
                throw Failure(lost);
            }

            throw;
        }

        await run.EndAsync(error: null, aborted: false).ConfigureAwait(false);
    }

    private async Task InterruptAsync(IJobExecutionContext context)
    {
        try
        {
            await context.Scheduler.InterruptFireInstance(context.FireInstanceId, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // A callback that the job registered on its token may throw here.
            Log.InterruptFailed(logger, e, context.JobDetail.Key, context.FireInstanceId);
        }
    }
}
