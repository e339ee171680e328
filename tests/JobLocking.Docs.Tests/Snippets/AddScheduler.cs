using System.Runtime.ExceptionServices;
using JobLocking.Engine;
using JobLocking.Policy;

namespace JobLocking.Docs.Snippets;

/// <summary>An execution of a scheduler that does not exist.</summary>
public abstract class ScheduledWork
{
    public required Type JobType { get; init; }

    public required string Id { get; init; }

    public required string ScheduleId { get; init; }

    public bool IsDeferred { get; init; }

    public string? StoredText { get; init; }

    public abstract object? ValueOf(string placeholder);

    public abstract Task RunAsync(CancellationToken cancellationToken);

    public abstract Task<bool> TryStoreAsync(TimeSpan delay, string text);

    public abstract ValueTask<bool> StartNowAsync();

    public abstract void ShowAsSkipped(string reason);
}

public sealed class Adapter(LockEngine engine, LockPolicies policies)
{
    #region add-a-scheduler
    public async Task RunAsync(ScheduledWork work, CancellationToken cancellationToken)
    {
        if (policies.Find(work.JobType, method: null) is not { } policy)
        {
            await work.RunAsync(cancellationToken); // the job has no lock
            return;
        }

        LockDecision decision = await engine.DecideAsync(
            new LockExecution
            {
                Policy = policy,
                Name = policy.ResolveName(work.ValueOf),
                Scheduler = "MyScheduler",
                Job = work.JobType.Name,
                Identity = policy.ComparesJobs ? SameJob.Of(work.JobType.FullName, work.ScheduleId) : null,
                Execution = work.Id,
                Origin = work.IsDeferred ? ExecutionOrigin.Deferred : ExecutionOrigin.Recurring,
                Deferral = DeferralState.Parse(work.StoredText),
            },
            cancellationToken);

        switch (decision)
        {
            case LockDecision.Run run:
                await RunAsync(run, work, cancellationToken);
                break;
            case LockDecision.Skip skip:
                work.ShowAsSkipped(skip.Reason);
                break;
            case LockDecision.Defer defer when await work.TryStoreAsync(defer.Delay, defer.State.ToString()):
                defer.Stored(wake: work.StartNowAsync);
                break;
            case LockDecision.Defer defer:
                defer.NotStored();
                throw new InvalidOperationException("The deferral could not be stored."); // fail, never lose the work
            case LockDecision.Fail fail:
                throw fail.Error;
        }
    }

    private static async Task RunAsync(LockDecision.Run run, ScheduledWork work, CancellationToken cancellationToken)
    {
        run.Enter();
        run.JobBegins();
        Exception? error = null;
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, run.Lease?.Lost ?? default);
        try
        {
            await work.RunAsync(either.Token);
        }
        catch (Exception e)
        {
            error = e;
        }

        if (await run.EndAsync(error, aborted: cancellationToken.IsCancellationRequested) is { } lost)
        {
            throw lost; // the loss of the lease cancelled the job
        }

        if (error is not null)
        {
            ExceptionDispatchInfo.Throw(error);
        }
    }
    #endregion
}
