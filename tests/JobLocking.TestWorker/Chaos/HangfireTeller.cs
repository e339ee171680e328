using Hangfire.Common;
using Hangfire.Server;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// Tells what becomes of each performance of a job: to whoever judges the jobs, and as an execution to whoever judges the locks. Stands
/// around the filter of the locks. Why a job was turned away stands in its state.
/// </summary>
internal sealed class HangfireTeller(string process, Witness witness) : IServerFilter, IJobFilter
{
    private const string Item = "teller";

    private long _performances;
    private int _going;

    public int Order => -2000;

    public bool AllowMultiple => false;

    /// <summary>How many have begun and not ended.</summary>
    public int Going => Volatile.Read(ref _going);

    public void OnPerforming(PerformingContext context)
    {
        Attempt attempt = new(witness, Interlocked.Increment(ref _performances), context.BackgroundJob.Job.Method.Name);
        Interlocked.Increment(ref _going);
        context.Items[Item] = attempt;
        attempt.Asks();
    }

    public void OnPerformed(PerformedContext context)
    {
        Attempt attempt = (Attempt)context.Items[Item];
        if (attempt.WasGranted)
        {
            attempt.Returned();
        }
        else
        {
            // Whoever is turned away has had an answer, which says nothing of who has the lock: it may have been that nobody answers.
            attempt.TurnedAway(context.Canceled ? Happening.Cancelled : Happening.Failed, $"{context.Exception}");
        }

        Interlocked.Decrement(ref _going);
    }

    /// <summary>What all jobs do.</summary>
    public async Task RunAsync(int number, PerformContext context, TaskLease lease, int milliseconds, bool fails, CancellationToken cancellationToken)
    {
        Attempt attempt = (Attempt)context.Items[Item];
        bool isShared = context.BackgroundJob.Job.Method.Name == nameof(HangfireJobs.Shared);
        await attempt.RunAsync(lease, milliseconds, isShared, fails, () => Tell(HangfireHappening.Ran), () => Tell(HangfireHappening.Done), cancellationToken);

        void Tell(HangfireHappening what) => Say.Fact(HangfireEvent.Now(process, what, number, attempt.Number).ToString());
    }
}
