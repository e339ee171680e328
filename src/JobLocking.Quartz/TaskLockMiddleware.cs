using System.Runtime.CompilerServices;
using JobLocking.Engine;
using JobLocking.Stores;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Describes the firing, asks the engine, translates its decision. One for each scheduler, shared by its firings.</summary>
internal sealed class TaskLockMiddleware(
    LockEngine engine,
    FiringDescription description,
    DeferralTriggers deferrals,
    Wakes wakes,
    Successions successions,
    Lifetime lifetime,
    HostStop stop,
    ILogger logger) : IJobExecutionMiddleware
{
    private readonly SchedulerWorkers _workers = new();

    public async ValueTask Invoke(IJobExecutionContext context, JobExecutionDelegate next, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);

        Firing firing = Firing.Of(context);

        // A retry may have the key of a trigger that was replaced, and no wait that goes on (ReplacedRetries).
        if (firing.Wait is { State: not null } && await wakes.HasReplacedAsync(context.Trigger.Key).ConfigureAwait(false))
        {
            context.Result = Reports.Woken();
            return;
        }

        if (Describe(firing, await _workers.OfAsync(context.Scheduler).ConfigureAwait(false)) is not { } execution)
        {
            await next(context, cancellationToken).ConfigureAwait(false);
            return;
        }

        using Successions.Member? member = successions.Enter(firing);
        if (await stop.WatchAsync(AskAsync(firing, execution, member, cancellationToken)).ConfigureAwait(false) is { } run)
        {
            await RunAsync(run, context, next, cancellationToken).ConfigureAwait(false);
        }
    }

    private static JobExecutionException Failure(Exception error) => new(error.Message, error);

    private LockExecution? Describe(Firing firing, LockWorkers workers)
    {
        // Neither the job nor the name of its lock is to see what a deferral keeps in the data of its trigger.
        if (firing.Deferred is not null)
        {
            Deferral.HideFrom(firing.Context.MergedJobDataMap);
        }

        try
        {
            return description.Describe(firing, workers);
        }
        catch (TaskLockException e)
        {
            throw Failure(e);
        }
    }

    /// <summary>Null if the job is not to run now; then all is done.</summary>
    private async Task<LockDecision.Run?> AskAsync(
        Firing firing, LockExecution execution, Successions.Member? member, CancellationToken cancellationToken)
    {
        IJobExecutionContext context = firing.Context;
        if (member is not null)
        {
            await successions.PredecessorsEndedAsync(member, cancellationToken).ConfigureAwait(false);
        }

        switch (await DecideAsync(execution, context, cancellationToken).ConfigureAwait(false))
        {
            case LockDecision.Run run:
                return run;
            case LockDecision.Skip { IsCopy: true }:
                context.Result = Reports.Copy(execution);
                break;
            case LockDecision.Skip skip:
                context.Result = Reports.Skipped(execution, skip);
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
    private async ValueTask<LockDecision> DecideAsync(LockExecution execution, IJobExecutionContext context, CancellationToken cancellationToken)
    {
        try
        {
            return await engine.DecideAsync(execution, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (lifetime.IsStopping(context.Scheduler))
        {
            // A cancelled firing would be gone for good; a failed one is retried, by a store that outlives the process.
            Log.GivenUpByShutdown(logger, context.JobDetail.Key, execution.Execution, execution.Name);
            throw new JobExecutionException($"The shutdown came while lock '{execution.Name}' was being acquired, and the job did not run.", e);
        }
        catch (OperationCanceledException)
        {
            Log.Interrupted(logger, context.JobDetail.Key, execution.Execution, execution.Name);
            throw;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RunAsync(LockDecision.Run run, IJobExecutionContext context, JobExecutionDelegate next, CancellationToken cancellationToken)
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
            // Whatever it threw: a job wraps its cancellation, watches the host instead of its token, or stumbles over what the
            // host has disposed already.
            if (await run.EndAsync(error, aborted: lifetime.IsStopping(context.Scheduler)).ConfigureAwait(false) is { } lost)
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
            // A callback of the job's own on its token may throw here.
            Log.InterruptFailed(logger, e, context.JobDetail.Key, context.FireInstanceId);
        }
    }
}
