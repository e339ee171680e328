using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>Stands in front of every job of a server: describes the execution, asks the engine, has the decision carried out.</summary>
/// <remarks>
/// Server filters are synchronous. Blocking on the engine is sound here: filters run on the worker's own thread, which
/// Hangfire blocks for the whole job anyway, and which has no synchronization context.
/// </remarks>
internal sealed class TaskLockFilter(LockEngine engine, LockPolicies policies, TimeProvider time) : IServerFilter, IElectStateFilter, IJobFilter
{
    private const string Item = "JobLocking";

    /// <summary>Outermost: asks before other filters wait for anything, and elects before a deferred parent's continuations are looked at.</summary>
    public int Order => -1000;

    /// <summary>Hangfire drops all filters of this type but the last.</summary>
    public bool AllowMultiple => false;

    public static TaskLockFilter Create(IServiceProvider services)
    {
        ArgumentNullException.ThrowIfNull(services);
        LockPolicies policies = Required<LockPolicies>();
        DeclaredLocks.Check(policies);
        return new TaskLockFilter(Required<LockEngine>(), policies, (TimeProvider?)services.GetService(typeof(TimeProvider)) ?? TimeProvider.System);

        T Required<T>()
            where T : class =>
            (T?)services.GetService(typeof(T)) ?? throw new TaskLockException(
                "UseTaskLocks: JobLocking is not among the services it was given. Fix: call services.AddJobLocking().UseRedis(…) or .UseInMemory().");
    }

    public void OnPerforming(PerformingContext context)
    {
        Job job = context.BackgroundJob.Job;

        // Met before: another filter, of the process or of a provider that keeps both, has taken the lock of this execution.
        if (context.Items.ContainsKey(Item) || policies.Find(job.Type, job.Method) is not { } policy)
        {
            return;
        }

        AttemptRecord record = AttemptRecord.Read(context.Connection, context.BackgroundJob);
        LockExecution execution = JobExecution.Describe(context, policy, record);
        if (!record.Begun)
        {
            // Before the lock: otherwise a process that dies with it leaves what looks like a first attempt, and that
            // would be skipped in favour of its own lease.
            record = record with { Begun = true };
            record.Write(context.Connection, context.BackgroundJob.Id);
        }

        LockDecision decision = engine.DecideAsync(execution, context.CancellationToken.ShutdownToken).AsTask().GetAwaiter().GetResult();
        switch (decision)
        {
            case LockDecision.Run run:
                Begin(run, record, context);
                break;
            case LockDecision.Fail fail:
                EndWait(record, context);
                throw fail.Error;
            default:
                context.Items[Item] = TurnedAway.From(execution, decision, record, context, time);
                context.Canceled = true;
                break;
        }
    }

    public void OnPerformed(PerformedContext context)
    {
        if (!context.Items.TryGetValue(Item, out object? item) || item is not Running running || running.Filter != this)
        {
            return;
        }

        context.Items.Remove(Item);
        Exception? error = context.Canceled ? new OperationCanceledException("Another filter cancelled the job.")
            : context.ExceptionHandled ? null : context.Exception;

        // As Hangfire itself sorts them: a job that cancels itself for a reason of its own arrives wrapped, and fails.
        bool aborted = context.Canceled || error is JobAbortedException
            || (error is OperationCanceledException && context.CancellationToken.ShutdownToken.IsCancellationRequested);
        Exception? instead = End(running.Run, error is JobPerformanceException { InnerException: { } thrown } ? thrown : error, aborted);
        if (instead is not null && !aborted)
        {
            throw instead;
        }
    }

    /// <remarks>Hangfire repeats an election that throws, blocks a worker over it and ends it with filters off: nothing here may fail for our reasons.</remarks>
    public void OnStateElection(ElectStateContext context)
    {
        if (context.CustomData is { } data && data.TryGetValue(Item, out object? item) && item is TurnedAway turnedAway)
        {
            turnedAway.Elect(context, engine);
        }
        else if (context.CandidateState is EnqueuedState { Queue: EnqueuedState.DefaultQueue } enqueued
            && context.CurrentState == ScheduledState.StateName && HasLock(context.BackgroundJob.Job))
        {
            enqueued.Queue = AttemptRecord.Read(context.Connection, context.BackgroundJob).Queue ?? enqueued.Queue;
        }
    }

    private void Begin(LockDecision.Run run, AttemptRecord record, PerformingContext context)
    {
        try
        {
            EndWait(record, context);
        }
        catch (Exception e)
        {
            // Hangfire calls OnPerformed only after an OnPerforming that returned.
            End(run, e, aborted: true);
            throw;
        }

        context.Items[Item] = new Running(this, run);
        engine.Enter(run);
    }

    /// <summary>A later attempt counts its own deferrals: GiveUpAfter shall not run from a wait that ended long ago.</summary>
    private static void EndWait(AttemptRecord record, PerformingContext context)
    {
        if (record.Deferrals > 0)
        {
            new AttemptRecord { Begun = true }.Write(context.Connection, context.BackgroundJob.Id);
        }
    }

    private Exception? End(LockDecision.Run run, Exception? error, bool aborted) =>
        engine.EndAsync(run, error, aborted).AsTask().GetAwaiter().GetResult();

    private bool HasLock(Job? job)
    {
        try
        {
            return job is not null && policies.Find(job.Type, job.Method) is not null;
        }
        catch (TaskLockException)
        {
            return false; // OnPerforming fails the job with it.
        }
    }

    private sealed record Running(TaskLockFilter Filter, LockDecision.Run Run);
}
