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
        Performance performance = new(Interlocked.Increment(ref _performances), context.BackgroundJob.Job.Method.Name);
        Interlocked.Increment(ref _going);
        context.Items[Item] = performance;
        witness.Tell(Happening.Asked, performance.Number, performance.Lock);
    }

    public void OnPerformed(PerformedContext context)
    {
        Performance performance = (Performance)context.Items[Item];
        if (performance.Token == 0)
        {
            // Whoever is turned away has had an answer, which says nothing of who has the lock: it may have been that nobody answers.
            witness.Tell(context.Canceled ? Happening.Cancelled : Happening.Failed, performance.Number, performance.Lock, detail: $"{context.Exception}");
        }
        else if (performance.GivesBack)
        {
            witness.Tell(Happening.Released, performance.Number, performance.Lock, performance.Token);
        }

        Interlocked.Decrement(ref _going);
    }

    /// <summary>What all jobs do.</summary>
    public async Task RunAsync(int number, PerformContext context, TaskLease lease, int milliseconds, bool fails, CancellationToken cancellationToken)
    {
        Performance performance = (Performance)context.Items[Item];
        performance.Token = lease.FencingToken;
        witness.Tell(Happening.Granted, performance.Number, performance.Lock, performance.Token);
        Tell(HangfireHappening.Ran, number, performance);
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        done.CancelAfter(milliseconds);
        await witness.WorkAsync(performance.Lock, lease, performance.Number, performance.Lock == nameof(HangfireJobs.Shared), done.Token);
        witness.ThrowIfLost(lease, performance.Number, performance.Lock);
        performance.GivesBack = true;
        if (!fails)
        {
            Tell(HangfireHappening.Done, number, performance);
        }

        witness.Tell(Happening.Releasing, performance.Number, performance.Lock, performance.Token);
        if (fails)
        {
            throw new InvalidOperationException("by chance");
        }
    }

    private void Tell(HangfireHappening what, int number, Performance performance) =>
        Say.Fact(HangfireEvent.Now(process, what, number, performance.Number).ToString());

    private sealed class Performance(long number, string @lock)
    {
        public long Number => number;

        public string Lock => @lock;

        public long Token { get; set; }

        public bool GivesBack { get; set; }
    }
}
