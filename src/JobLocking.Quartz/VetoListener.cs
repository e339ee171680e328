using System.Collections.Concurrent;
using JobLocking.Engine;
using Microsoft.Extensions.Logging;
using Quartz;
using Quartz.Extensibility;

namespace JobLocking.Quartz;

/// <summary>
/// Decides about the firings of one scheduler before the middleware does, where an option records a skip or a deferral as a veto: only a
/// trigger listener can veto. Any other decision is handed over to the middleware, exceptions as well: one that is thrown here would lose
/// the firing without a trace.
/// </summary>
/// <remarks>
/// Quartz may give a firing up on its way from here to the middleware. Then the lease is given back:
/// <list type="table">
/// <listheader><term>What ends the firing</term><description>How that is known</description></listheader>
/// <item><term>Another listener vetoes it</term><description><see cref="JobExecutionVetoed"/></description></item>
/// <item><term>Another listener throws</term><description><see cref="SchedulerError"/></description></item>
/// <item>
/// <term>A middleware outside the lock throws, or does not call the next one</term>
/// <description><see cref="JobWasExecuted"/></description>
/// </item>
/// <item><term>The scheduler stops</term><description><see cref="SchedulerShutdown"/></description></item>
/// <item><term>Anything else</term><description><see cref="LongestHandover"/> has passed.</description></item>
/// </list>
/// In the last two cases the firing may still reach the middleware. It asks again then.
/// </remarks>
internal sealed class VetoListener(
    FiringDecisions decisions,
    QuartzTaskLockOptions options,
    SchedulerShutdown shutdown,
    HostShutdown stop,
    TimeProvider time,
    ILogger logger) : ISchedulerPlugin, ITriggerListener, IJobListener, ISchedulerListener
{
    /// <summary>The way to the middleware takes milliseconds, unless the application has a listener or middleware that waits.</summary>
    public static readonly TimeSpan LongestHandover = TimeSpan.FromMinutes(1);

    // By fire instance. An entry is removed when the middleware takes it over, or when Quartz tells that the firing has ended.
    private readonly ConcurrentDictionary<string, HandedOver> _handedOver = [];

    private IScheduler? _scheduler;

    public string Name => "JobLocking.Veto";

    public bool IsActive { get; } = options is { SkipAs: FiringRecord.Veto } or { DeferAs: FiringRecord.Veto };

    public ValueTask Initialize(string pluginName, IScheduler scheduler, CancellationToken cancellationToken = default)
    {
        _scheduler = scheduler;
        return default;
    }

    /// <summary>Listens after all listeners that were configured, which may provide data for the name of a lock.</summary>
    public ValueTask Start(CancellationToken cancellationToken = default)
    {
        if (IsActive)
        {
            IListenerManager listeners = _scheduler!.ListenerManager;
            listeners.AddTriggerListener(this);
            listeners.AddJobListener(this);
            listeners.AddSchedulerListener(this);
        }

        return default;
    }

    public async ValueTask<bool> VetoJobExecution(
        ITrigger trigger, IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        Task<FiringDecision> deciding = decisions.DecideAsync(context, again: false, context.CancellationToken).AsTask();
        FiringDecision decision = default;
        try
        {
            decision = await deciding.ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The middleware throws it.
        }

        if (decision.IsVeto)
        {
            context.Result = decision.Report;
            return true;
        }

        HandOver(context, deciding, decision.Run);
        return false;
    }

    /// <summary>The decision about a firing that reaches the middleware.</summary>
    public ValueTask<FiringDecision> TakeOverAsync(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        bool hasAsked = _handedOver.TryRemove(context.FireInstanceId, out HandedOver? handedOver);
        return handedOver?.TryTake() is { } decided
            ? new ValueTask<FiringDecision>(decided)
            : decisions.DecideAsync(context, again: hasAsked, cancellationToken);
    }

    public ValueTask JobExecutionVetoed(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
        EndedAsync(context.FireInstanceId, "another listener vetoed the firing");

    public ValueTask JobWasExecuted(
        IJobExecutionContext context, JobExecutionException? jobException, CancellationToken cancellationToken = default) =>
        EndedAsync(context.FireInstanceId, "a middleware outside the lock ended the firing");

    public ValueTask SchedulerError(
        IScheduler scheduler, SchedulerErrorContext errorContext, CancellationToken cancellationToken = default) =>
        errorContext.FireInstanceId is { } firing ? EndedAsync(firing, "another listener failed") : default;

    private void HandOver(IJobExecutionContext context, Task<FiringDecision> decided, LockDecision.Run? run)
    {
        HandedOver handedOver = new(context.JobDetail.Key, context.FireInstanceId, decided);
        _handedOver[context.FireInstanceId] = handedOver;
        if (run is { Lease: not null })
        {
            string late = $"it has not reached the job within {LongestHandover.TotalSeconds} seconds";
            handedOver.Late = time.CreateTimer(
                _ => GiveBackInBackground(handedOver, late), null, LongestHandover, Timeout.InfiniteTimeSpan);
            handedOver.Stop = shutdown.EndOf(context.Scheduler).UnsafeRegister(
                _ => GiveBackInBackground(handedOver, "the scheduler stops"), null);
        }
    }

    private async ValueTask EndedAsync(string execution, string how)
    {
        if (_handedOver.TryRemove(execution, out HandedOver? handedOver))
        {
            await GiveBackAsync(handedOver, how).ConfigureAwait(false);
        }
    }

    /// <summary>The shutdown of the host waits for it.</summary>
    private void GiveBackInBackground(HandedOver handedOver, string why) => _ = stop.WatchAsync(GiveBackAsync(handedOver, why)).AsTask();

    private async Task<bool> GiveBackAsync(HandedOver handedOver, string why)
    {
        if (handedOver.TryTake() is not { IsCompletedSuccessfully: true } decided
            || await decided.ConfigureAwait(false) is not { Run: { } run } decision)
        {
            return false;
        }

        if (run.Lease is { } lease)
        {
            Log.LeaseNotUsed(logger, handedOver.Job, handedOver.Execution, lease.Name, why);
        }

        // As a run that a shutdown has aborted: the occurrence is left to others, and MinHold does not apply.
        await run.EndAsync(new OperationCanceledException(why), aborted: true).ConfigureAwait(false);
        decision.Overlapping?.Dispose();
        return true;
    }

    /// <summary>A decision on its way to the middleware. It is taken once, by the middleware or to give its lease back.</summary>
    private sealed class HandedOver(JobKey job, string execution, Task<FiringDecision> decided)
    {
        private Task<FiringDecision>? _decided = decided;

        public JobKey Job { get; } = job;

        public string Execution { get; } = execution;

        public ITimer? Late { get; set; }

        public CancellationTokenRegistration Stop { get; set; }

        public Task<FiringDecision>? TryTake()
        {
            Task<FiringDecision>? taken = Interlocked.Exchange(ref _decided, null);
            if (taken is not null)
            {
                Late?.Dispose();
                Stop.Unregister();
            }

            return taken;
        }
    }
}
