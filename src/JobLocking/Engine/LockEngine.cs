using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Stores;
using JobLocking.Telemetry;
using JobLocking.Waiting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace JobLocking.Engine;

/// <summary>The one place that decides what becomes of an execution. See README.md in this folder.</summary>
public sealed class LockEngine
{
    /// <summary>
    /// How long the store remembers that a stored job has ended, while its scheduler notes that: a second delivery still finds the job
    /// running, and would run it again.
    /// </summary>
    private static readonly TimeSpan EndedRunIsRemembered = TimeSpan.FromMinutes(1);

    /// <summary>A run that has died is forgotten when its lease expires, so a delivery is not postponed for longer than that.</summary>
    private static readonly TimeSpan LongestPostponement = TimeSpan.FromMinutes(1);

    private readonly Leases _leases;
    private readonly LockAcquirer _acquirer;
    private readonly LocalWaiters _queue;
    private readonly TaskLeaseAccessor _accessor;
    private readonly MetricsReporter _metrics;
    private readonly string _application;
    private readonly string _node;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    // At most one entry for each template and warning: each is logged once, not at every contention.
    private readonly ConcurrentDictionary<(string Template, int Event), bool> _said = [];

    internal LockEngine(
        Leases leases,
        LockAcquirer acquirer,
        LocalWaiters queue,
        TaskLeaseAccessor accessor,
        MetricsReporter metrics,
        IOptions<JobLockingOptions> options,
        TimeProvider time,
        ILogger logger)
    {
        _leases = leases;
        _acquirer = acquirer;
        _queue = queue;
        _accessor = accessor;
        _metrics = metrics;
        _application = options.Value.ApplicationAndEnvironment;
        _node = options.Value.NodeName;
        _time = time;
        _logger = logger;
    }

    /// <summary>
    /// Asks for the lock of an execution: in one round trip if it is free, in two if the execution is to be deferred because of another
    /// process.
    /// </summary>
    /// <param name="execution">The execution.</param>
    /// <param name="cancellationToken">Gives up the acquire.</param>
    /// <exception cref="OperationCanceledException">
    /// <paramref name="cancellationToken"/> was cancelled; a lock that was granted meanwhile is released.
    /// </exception>
    public async ValueTask<LockDecision> DecideAsync(LockExecution execution, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(execution);

        Activity? current = Activity.Current;
        PastAcquire? own = current is null ? Spans.BeginAcquire(_time) : null;
        LockDecision? decision = null;
        try
        {
            return decision = await JudgeAsync(execution, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Judged(execution, decision, current, own);
        }
    }

    /// <summary>
    /// Whether a job that its scheduler delivers a second time is left to its first run, because that run may be alive or has just ended.
    /// For schedulers that can ask before they note that the second worker runs the job.
    /// </summary>
    /// <param name="execution">The execution, with a <see cref="LockExecution.Delivery"/> that <see cref="JobDelivery.IsSecond"/>.</param>
    /// <param name="cancellationToken">Gives up the question.</param>
    /// <returns>The decision to postpone the delivery; null if the first run is dead. If the store does not answer, it is alive.</returns>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async ValueTask<LockDecision.Postpone?> LeavesRunningAsync(LockExecution execution, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(execution);
        ArgumentNullException.ThrowIfNull(execution.Delivery);
        LeaseRequest wanted = WantedBy(execution, _time.GetUtcNow());
        return await _leases.MayBeRunAsync(wanted, cancellationToken).ConfigureAwait(false) ? Postpone(execution) : null;
    }

    /// <summary>
    /// If the scheduler has no span yet, one may begin with the job. Until then, the acquire of a job that is to run has no span.
    /// </summary>
    private static void Judged(LockExecution execution, LockDecision? decision, Activity? current, PastAcquire? own)
    {
        own?.Ends();
        if (current is not null && decision is not null)
        {
            Spans.Decided(current, decision.Tags(execution));
        }

        if (decision is LockDecision.Run run)
        {
            (run.Span, run.Acquire) = (current, own);
        }
        else
        {
            Spans.Acquired(own, decision?.Tags(execution));
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<LockDecision> JudgeAsync(LockExecution execution, CancellationToken cancellationToken)
    {
        LockPolicy policy = execution.Policy;
        DateTimeOffset now = _time.GetUtcNow();
        if (OccurrenceRule.MayBeForgotten(execution, now))
        {
            return Forgotten(execution);
        }

        LockDecision? local = LocalDecision(execution, now);
        if (local is not (null or LockDecision.Defer))
        {
            return local;
        }

        LeaseRequest wanted = WantedBy(execution, now);
        Waiter? waiter = local is not null || IsToBeQueued(execution) ? WaiterFor(execution, wanted) : null;
        LockDecision decision = await AskAsync(execution, wanted, waiter, now, refused: null, cancellationToken).ConfigureAwait(false);
        if (decision is LockDecision.Defer refused && waiter is null)
        {
            // It is not in the waiting queue, so no release would wake it. The second acquire may be granted: the lock can be free by now.
            waiter = WaiterFor(execution, wanted);
            if (refused.IsUnavailable)
            {
                _queue.Add(waiter);
                _queue.OnUnanswered(waiter);
            }
            else
            {
                decision = await AskAsync(execution, wanted, waiter, now, refused, cancellationToken).ConfigureAwait(false);
            }
        }

        if (waiter is not null)
        {
            if (decision is LockDecision.Defer defer)
            {
                if (defer is { StandsBy: true, IsUnavailable: false })
                {
                    _queue.StandBy(waiter);
                }

                return defer.With(waiter, now);
            }

            if (decision is not LockDecision.Run { Lease: not null })
            {
                _queue.Leave(waiter);
            }
        }

        return decision;
    }

    /// <summary>
    /// The process comes so late that the mark of the occurrence may be gone, so it is not known whether the occurrence was run. An
    /// execution that stands by was not the first to run it, and is skipped.
    /// </summary>
    private LockDecision Forgotten(LockExecution execution)
    {
        DateTimeOffset time = execution.Occurrence!.ScheduledTime;
        TimeSpan kept = OccurrenceRule.KeepFor(execution, time);
        if (execution.Deferral is not null)
        {
            Waiter waiter = WaiterFor(execution, WantedBy(execution, _time.GetUtcNow()));
            _queue.Add(waiter);
            _queue.Leave(waiter);
        }

        if (StandsBy(execution))
        {
            _metrics.Skipped(execution.Policy.Template, execution.Scheduler, TagValues.OccurrenceForgotten);
            Log.OccurrenceForgotten(_logger, execution.Job, execution.Execution, execution.Name, time, kept);
            return new LockDecision.Skip(
                $"{OccurrenceOf(execution)} is too old: it is no longer known whether the node that ran it finished",
                holder: null,
                cause: null);
        }

        return Fail(execution, new TaskLockException(
            $"The occurrence of {time:u} of job {execution.Job} was not asked about for longer than its mark is kept "
            + $"({kept.TotalSeconds:0} seconds): it is no longer known whether it was run. "
            + "Fix: run the job by hand if it was not."));
    }

    /// <summary>
    /// What the leases of this process alone decide; null where they decide nothing. A deferral is only the expected decision: the
    /// store still has to be asked, since the execution has to enter the waiting queue.
    /// </summary>
    private LockDecision? LocalDecision(LockExecution execution, DateTimeOffset now)
    {
        // A deferral that came back is in the waiting queue. It has to leave it, or it would be woken. The lease that is in the way of a
        // stored job may be that of its own first run.
        if (execution.Occurrence is not null || execution.Deferral is not null || execution.Policy.Wait > TimeSpan.Zero
            || execution.Delivery is { IsSecond: true }
            || _leases.Held.Contention(execution.Name, execution.Policy.Limit) is not { } contention
            || (execution.Delivery is not null && IsRunning(execution, contention)))
        {
            return null;
        }

        LockDecision decision = OnConflict(execution, now, contention);
        if (decision is not LockDecision.Defer)
        {
            _metrics.ContendedLocally(execution.Policy.Template, execution.Scheduler);
        }

        return decision;
    }

    /// <summary>Whether a lease that is in the way may be that of another delivery of the same job.</summary>
    private static bool IsRunning(LockExecution execution, AcquireResult contention)
    {
        return IsItsOwn(contention.Holder) || (contention.Others?.Any(IsItsOwn) ?? false);

        bool IsItsOwn(LockHolder? holder) => holder?.Scheduler == execution.Scheduler && holder.Execution == execution.Execution;
    }

    /// <param name="execution">The execution.</param>
    /// <param name="wanted">Its lease.</param>
    /// <param name="waiter">Its waiter; null if it is not to enter the waiting queue.</param>
    /// <param name="now">The current time.</param>
    /// <param name="refused">
    /// The decision of the first acquire, without a waiter. It stands if the store is unavailable now: the lock is taken.
    /// </param>
    /// <param name="cancellationToken">Gives up the acquire.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<LockDecision> AskAsync(
        LockExecution execution,
        LeaseRequest wanted,
        Waiter? waiter,
        DateTimeOffset now,
        LockDecision.Defer? refused,
        CancellationToken cancellationToken)
    {
        try
        {
            (AcquireResult result, HeldLease? lease) = await _acquirer
                .AcquireAsync(wanted, waiter, execution.Policy.Wait, execution.EndOfWait, cancellationToken)
                .ConfigureAwait(false);
            WarnOnce(execution, result);
            return result.Outcome switch
            {
                AcquireOutcome.Granted => Run(execution, new TaskLease(_leases, lease!), wanted.Holder),
                AcquireOutcome.OccurrenceSucceeded =>
                    Skip(execution, result, $"{OccurrenceOf(execution)} was run by {result.Holder}"),
                AcquireOutcome.OccurrenceFailed =>
                    Skip(execution, result, $"{OccurrenceOf(execution)} was run, and failed, by {result.Holder}"),
                AcquireOutcome.OccurrenceRunning or AcquireOutcome.OccurrenceEnded when execution.Delivery is not null =>
                    Postpone(execution),
                AcquireOutcome.OccurrenceRunning =>
                    Defer(
                        execution, now, $"{OccurrenceOf(execution)} is being run by {result.Holder}",
                        result, mayGiveUp: false),
                AcquireOutcome.DeferralSpent => Copy(execution),
                _ => OnConflict(execution, now, result),
            };
        }
        catch (TaskLockUnavailableException e)
        {
            return refused ?? OnUnavailable(execution, now, wanted.Holder, e);
        }
    }

    /// <summary>
    /// Whether the first refusal puts the execution into the waiting queue. Most locks are free, and a waiter in the request costs
    /// something each time; so an execution without one asks a second time if it is to be deferred.
    /// </summary>
    private static bool IsToBeQueued(LockExecution execution) =>
        execution.Policy.Wait > TimeSpan.Zero || execution.Occurrence is not null || execution.Deferral is not null;

    private static string OccurrenceOf(LockExecution execution) => $"the occurrence of {execution.Occurrence!.ScheduledTime:u}";

    private static bool IsFirstAttempt(LockExecution execution) => execution.Origin is ExecutionOrigin.Recurring or ExecutionOrigin.OneOff;

    private LeaseRequest WantedBy(LockExecution execution, DateTimeOffset now)
    {
        LockPolicy policy = execution.Policy;
        LockHolder holder = new(_application, _node, execution.Scheduler, execution.Job, execution.Execution, now)
        {
            Identity = execution.Identity,
        };
        LockOccurrence? occurrence = execution.Occurrence is { } fireTime ? fireTime with { Application = _application }
            : execution.Delivery is { } delivery ? LockOccurrence.OfStoredJob(delivery.JobId, delivery.IsSecond)
            : null;
        LeaseTerms terms = new(policy.Expire, policy.MaxHold, policy.MinHold, policy.Limit);
        bool asks = execution is { AsksWhetherHolderAnswers: true, Identity: not null } && IsSkippedForTheSameJob(execution);
        return new LeaseRequest(policy.Template, execution.Name, terms, holder, occurrence, execution.Workers, asks);
    }

    private static bool IsSkippedForTheSameJob(LockExecution execution) =>
        execution is { Policy.OnConflict: LockConflict.Auto, Origin: ExecutionOrigin.Recurring };

    private static Waiter WaiterFor(LockExecution execution, LeaseRequest wanted) =>
        Waiter.For(
            wanted,
            execution.Policy.Wait + DelayOf(execution) + WaitingTimes.LapseAfterDelay,
            execution.Deferral?.Waiter,
            execution.MayHaveCopies);

    /// <summary>For executions whose process died or froze, which no wake-up reaches. It grows while no wake-up comes.</summary>
    private static TimeSpan DelayOf(LockExecution execution)
    {
        double first = execution.Policy.DeferBy.TotalSeconds;
        double longest = Math.Max(first, WaitingTimes.LongestDeferral.TotalSeconds);
        return TimeSpan.FromSeconds(Math.Min(longest, first * Math.Pow(2, execution.Deferral?.DeferralsUnwoken ?? 0)));
    }

    /// <summary>
    /// The name of a scheduler, the same on all nodes of the application: a placeholder replaces the name of this node or machine in
    /// it, in upper or lower case.
    /// </summary>
    /// <param name="scheduler">The name that the application gave the scheduler.</param>
    public string WithoutNode(string scheduler)
    {
        ArgumentNullException.ThrowIfNull(scheduler);
        return SameJob.WithoutNode(scheduler, _node, Environment.MachineName);
    }

    /// <summary>Whether the code that calls this runs inside an execution that has the lock.</summary>
    /// <param name="name">The resolved name of the lock.</param>
    public bool IsHeldAround(string name) => _accessor.Holds(name);

    /// <summary>
    /// Tells the engine that a deferred execution does not run: it was deleted or rescheduled before it asked for its lock. The
    /// execution leaves the waiting queue. If it had been woken, the engine wakes the next waiter now.
    /// </summary>
    /// <param name="name">The resolved name of the lock.</param>
    /// <param name="deferral">The state of its deferral.</param>
    public void Gone(string name, DeferralState deferral)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(deferral);
        _queue.OnDeferralGone(name, deferral.Waiter);
    }

    /// <summary>
    /// Whether <see cref="SkipsLocally"/> could skip an execution: this process itself has the lock, and the policy skips some executions.
    /// It spares the adapter from describing executions whose lock is free.
    /// </summary>
    /// <param name="policy">The policy of the lock.</param>
    /// <param name="name">The resolved name of the lock.</param>
    public bool CouldSkipLocally(LockPolicy policy, string name)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(name);
        return (policy.MaySkip(ExecutionOrigin.Recurring) || policy.MaySkip(ExecutionOrigin.OneOff))
            && _leases.Held.Contention(name, policy.Limit) is not null;
    }

    /// <summary>
    /// Skips an execution without asking the store, where that is certain: for schedulers that can skip it before it occupies a worker.
    /// Never waits.
    /// </summary>
    /// <param name="execution">The execution.</param>
    /// <returns>The decision to skip it; null if the store has to be asked.</returns>
    public LockDecision.Skip? SkipsLocally(LockExecution execution)
    {
        ArgumentNullException.ThrowIfNull(execution);
        return execution.Policy.MaySkip(execution.Origin) ? LocalDecision(execution, _time.GetUtcNow()) as LockDecision.Skip : null;
    }

    internal void Enter(LockDecision.Run run) => run.Ambient = _accessor.Enter(run.Lease);

    internal void Stored(LockDecision.Defer deferral, Func<ValueTask<bool>> wake)
    {
        LockExecution execution = deferral.Execution;
        if (deferral.StandsBy)
        {
            Log.StandsBy(_logger, execution.Job, execution.Execution, deferral.Reason, execution.Name, deferral.Holder);
        }
        else
        {
            _metrics.Deferred(execution.Policy.Template, execution.Scheduler, deferral.Cause?.Tag() ?? TagValues.Unavailable);
            Log.Deferred(
                _logger,
                execution.Job,
                execution.Execution,
                deferral.Delay,
                deferral.State.Deferrals,
                deferral.Reason,
                deferral.TimeLeft,
                execution.Name,
                deferral.Holder);
        }

        _queue.OnDeferralStored(deferral.Waiter, deferral.Delay, wake);
    }

    internal void NotStored(LockDecision.Defer deferral) => _queue.Leave(deferral.Waiter);

    /// <summary>A synchronous job that waits for a cancelled task with <c>Wait()</c> gets the exception wrapped.</summary>
    private static bool IsCancellation(Exception? error) =>
        error is OperationCanceledException
        || (error is AggregateException all && all.Flatten().InnerExceptions.All(one => one is OperationCanceledException));

    internal async ValueTask<Exception?> EndAsync(LockDecision.Run run, Exception? error, bool aborted)
    {
        run.Ambient?.End();
        run.TellAcquire();
        if (run.Lease is not { } lease)
        {
            return null;
        }

        run.JobEnds();
        bool lost = lease.IsLost();
        if (lost && error is null)
        {
            Log.SucceededAfterLoss(_logger, run.Holder.Job, run.Holder.Execution, lease.Name);
        }

        // A run that was cancelled by the loss did not fail by itself, so an execution that stands by runs the occurrence. Not after
        // MaxHold: a stuck job would be stuck there, too.
        bool isCancelled = IsCancellation(error);
        bool endedByLoss = lost && (isCancelled || error is TaskLockLostException);
        bool isStoredJob = run.Execution.Delivery is not null;
        OccurrenceOutcome outcome = isStoredJob ? aborted ? OccurrenceOutcome.Unfinished : OccurrenceOutcome.Ended
            : error is null ? OccurrenceOutcome.Succeeded
            : aborted || (endedByLoss && lease.Loss != LeaseLoss.HeldTooLong) ? OccurrenceOutcome.Unfinished
            : OccurrenceOutcome.Failed;
        TimeSpan kept = isStoredJob ? EndedRunIsRemembered : OccurrenceRule.KeepFor(run.Execution, _time.GetUtcNow());
        OccurrenceEnd? occurrence = lease.Occurrence is { } ran ? new OccurrenceEnd(ran, run.Holder, outcome, kept) : null;
        await _leases.EndAsync(lease.Held, keep: error is null, occurrence).ConfigureAwait(false);

        return endedByLoss && !aborted && isCancelled ? lease.LostError(error!) : null;
    }

    private static string Describe(AcquireResult result)
    {
        string how = result.IsKept ? "kept for its minimum hold after the run of" : "held by";
        string first = $"{how} {result.Holder?.ToString() ?? "a foreign client"}";
        return result.Others is { Count: > 0 and var others }
            ? $"{first} and {others} more{(result.HolderIsGone ? "; the process of one of them does not answer" : "")}"
            : $"{first}{(result.HolderIsGone ? ", whose process does not answer" : "")}";
    }

    private LockDecision.Run Run(LockExecution execution, TaskLease? lease, LockHolder holder)
    {
        if (lease is null)
        {
            Log.RunsWithoutLock(_logger, execution.Job, execution.Execution, execution.Name);
        }
        else
        {
            Log.Acquired(_logger, lease.Name, lease.FencingToken, holder);
            if (StandsBy(execution) && execution.Occurrence is { } occurrence)
            {
                Log.TakesOver(_logger, execution.Job, execution.Execution, occurrence.ScheduledTime, execution.Name);
            }
        }

        return new LockDecision.Run(this, execution, lease, holder);
    }

    private LockDecision OnConflict(LockExecution execution, DateTimeOffset now, AcquireResult result)
    {
        string reason = $"lock '{execution.Name}' is {Describe(result)}";
        return execution.Policy.OnConflict switch
        {
            LockConflict.Fail => Fail(execution, new TaskLockConflictException($"The {reason}.", execution.Name, result.Holder)),
            LockConflict.Skip when IsFirstAttempt(execution) => Skip(execution, result, reason),
            LockConflict.Auto when IsSkippedForTheSameJob(execution) && !result.HolderIsGone
                && IsSameJob(execution, result.Holder) && (result.Others?.All(other => IsSameJob(execution, other)) ?? true)
                && (execution.RunsAgain?.Value ?? true) => Skip(execution, result, reason),
            _ => Defer(execution, now, reason, result, mayGiveUp: true),
        };
    }

    /// <summary>
    /// A foreign client cannot say which job it runs, and counts as the same job. A holder of JobLocking without an identity does not: a
    /// deferral costs a second run at most, but a skip may lose the work.
    /// </summary>
    private bool IsSameJob(LockExecution execution, LockHolder? holder) =>
        holder is null || (execution.Identity is { } identity && holder.Identity == identity && holder.Application == _application);

    /// <summary>An execution that stands by goes on to: another one began to run its occurrence, and may still run it.</summary>
    private LockDecision OnUnavailable(
        LockExecution execution, DateTimeOffset now, LockHolder holder, TaskLockUnavailableException error) =>
        execution.Policy.OnUnavailable switch
        {
            _ when execution.Delivery is { IsSecond: true } => Postpone(execution),
            LockUnavailable.Run => Run(execution, lease: null, holder),
            LockUnavailable.Fail when !StandsBy(execution) => Fail(execution, error),
            _ => Defer(
                execution,
                now,
                $"could not acquire lock '{execution.Name}': the store is unavailable",
                result: null,
                mayGiveUp: !StandsBy(execution)),
        };

    private static bool StandsBy(LockExecution execution) => execution.Deferral is { StandsBy: true };

    private LockDecision.Skip Skip(LockExecution execution, AcquireResult result, string reason)
    {
        _metrics.Skipped(execution.Policy.Template, execution.Scheduler, result.Outcome.Tag());
        Log.Skipped(_logger, execution.Job, execution.Execution, reason, result.TimeLeft, execution.Name, result.Holder);
        return new LockDecision.Skip(reason, result.Holder, result.Outcome);
    }

    private LockDecision.Skip Copy(LockExecution execution)
    {
        Log.DeferralSpent(_logger, execution.Job, execution.Execution, execution.Name);
        return new LockDecision.Skip(
            $"another execution of the same deferral acquired lock '{execution.Name}'", holder: null, AcquireOutcome.DeferralSpent);
    }

    private LockDecision Defer(LockExecution execution, DateTimeOffset now, string reason, AcquireResult? result, bool mayGiveUp)
    {
        LockPolicy policy = execution.Policy;
        TimeSpan delay = DelayOf(execution);

        if (mayGiveUp && policy.GiveUpAfter > TimeSpan.Zero && execution.Deferral is { FirstDeferredAt: { } first } before)
        {
            // In this order: a stored time can have any value, and its sum with GiveUpAfter may be no valid date.
            TimeSpan left = policy.GiveUpAfter - (now - first);
            if (left <= TimeSpan.Zero)
            {
                return Fail(execution, new TaskLockConflictException(
                    $"Given up after {before.Deferrals} deferrals in {(now - first).TotalSeconds:0} seconds "
                    + $"(GiveUpAfter = {policy.GiveUpAfter.TotalSeconds:0}): {reason}.",
                    execution.Name,
                    result?.Holder));
            }

            delay = delay < left ? delay : left;
        }

        return new LockDecision.Defer(this, execution, delay, reason, result?.TimeLeft, result?.Holder, result?.Outcome);
    }

    private LockDecision.Postpone Postpone(LockExecution execution)
    {
        TimeSpan expire = execution.Policy.Expire;
        TimeSpan delay = expire < LongestPostponement ? expire : LongestPostponement;
        Log.DeliveryPostponed(_logger, execution.Job, execution.Execution, execution.Name, delay);
        return new LockDecision.Postpone(delay);
    }

    private LockDecision.Fail Fail(LockExecution execution, TaskLockException error)
    {
        Log.Failed(_logger, execution.Job, execution.Execution, execution.Name, error.Message);
        return new LockDecision.Fail(error);
    }

    private void WarnOnce(LockExecution execution, AcquireResult result)
    {
        string template = execution.Policy.Template;
        if (result.Holder is { } holder && holder.Application != _application && _said.TryAdd((template, EventIds.OtherApplication), true))
        {
            Log.OtherApplication(_logger, execution.Name, holder);
        }

        if (result is { Outcome: AcquireOutcome.Contended, TimeLeft: null } && _said.TryAdd((template, EventIds.NoExpiry), true))
        {
            Log.NoExpiry(_logger, execution.Name, result.Holder?.ToString() ?? "a foreign client");
        }
    }
}
