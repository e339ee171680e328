using System.Runtime.CompilerServices;
using JobLocking.Engine;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Runs each job of one scheduler under its lock, or not, as <see cref="FiringDecisions"/> decides.</summary>
/// <remarks>
/// A firing passes these phases:
/// <list type="table">
/// <listheader><term>Phase</term><description>What the middleware does</description></listheader>
/// <item>
/// <term>Decide</term>
/// <description>
/// Asks for the decision, or takes it over from the <see cref="VetoListener"/>, which has asked before.
/// </description>
/// </item>
/// <item><term>Not now</term><description>Reports why the job does not run.</description></item>
/// <item>
/// <term>Run</term>
/// <description>
/// Runs the job under its lease. The loss of the lease interrupts the firing and fails it.
/// </description>
/// </item>
/// </list>
/// </remarks>
internal sealed class TaskLockMiddleware(FiringDecisions decisions, VetoListener vetoes, SchedulerShutdown shutdown, ILogger logger)
    : IJobExecutionMiddleware
{
    public async ValueTask Invoke(IJobExecutionContext context, JobExecutionDelegate next, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(next);

        FiringDecision decision = vetoes.IsActive
            ? await vetoes.TakeOverAsync(context, cancellationToken).ConfigureAwait(false)
            : await decisions.DecideAsync(context, again: false, cancellationToken).ConfigureAwait(false);

        using OverlappingFirings.Member? overlapping = decision.Overlapping;
        if (decision.Run is { } run)
        {
            await RunAsync(run, context, next, cancellationToken).ConfigureAwait(false);
        }
        else if (decision.Report is { } report)
        {
            context.Result = report;
        }
        else
        {
            await next(context, cancellationToken).ConfigureAwait(false);
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
                throw FiringDecisions.Failure(lost);
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
