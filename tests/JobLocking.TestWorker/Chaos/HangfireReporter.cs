using Hangfire.Common;
using Hangfire.Server;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// Reports how each performance of a job ends: to the judge of the jobs, and as an execution to the checker of the locks. It runs around
/// the filter of the locks. The state of a job says why it was not started.
/// </summary>
internal sealed class HangfireReporter(string process, ExecutionReporter executions) : IServerFilter, IJobFilter
{
    private const string Item = "reporter";

    private long _performances;
    private int _going;

    public int Order => -2000;

    public bool AllowMultiple => false;

    /// <summary>How many have begun and not ended.</summary>
    public int Going => Volatile.Read(ref _going);

    public void OnPerforming(PerformingContext context)
    {
        Attempt attempt = new(executions, Interlocked.Increment(ref _performances), context.BackgroundJob.Job.Method.Name);
        Interlocked.Increment(ref _going);
        context.Items[Item] = attempt;
        attempt.Asked();
    }

    public void OnPerformed(PerformedContext context)
    {
        Attempt attempt = (Attempt)context.Items[Item];
        if (attempt.WasGranted)
        {
            attempt.Released();
        }
        else
        {
            // The outcome of a job that was not started says nothing about the holder: the store may have been unavailable.
            attempt.NotStarted(context.Canceled ? HistoryEventKind.Cancelled : HistoryEventKind.Failed, $"{context.Exception}");
        }

        Interlocked.Decrement(ref _going);
    }

    /// <summary>What all jobs do.</summary>
    public async Task RunAsync(int number, PerformContext context, TaskLease lease, int milliseconds, bool fails, CancellationToken cancellationToken)
    {
        Attempt attempt = (Attempt)context.Items[Item];
        bool isShared = context.BackgroundJob.Job.Method.Name == nameof(HangfireJobs.Shared);
        await attempt.RunAsync(lease, milliseconds, isShared, fails, () => Report(HangfireEventKind.Ran), () => Report(HangfireEventKind.Done), cancellationToken);

        void Report(HangfireEventKind what) => WorkerOutput.Report(HangfireEvent.Now(process, what, number, attempt.Number).ToString());
    }
}
