using System.Collections.Concurrent;
using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>What the jobs of all nodes did, and what they should do.</summary>
internal sealed class Journal
{
    private readonly ConcurrentQueue<Run> _runs = [];
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running;
    private int _mostAtOnce;

    /// <summary>What a run does after it was recorded. Nothing by default.</summary>
    public Func<Run, CancellationToken, Task> Do { get; set; } = (_, _) => Task.CompletedTask;

    public IReadOnlyCollection<Run> Runs => _runs;

    public int MostAtOnce => _mostAtOnce;

    /// <summary>Runs that have begun and have not ended.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>The first run ends only when <see cref="LetAllEnd"/> is called or its token is cancelled; all others at once.</summary>
    public void HoldFirst() => Do = (run, token) => run.Number == 1 ? _end.Task.WaitAsync(token) : Task.CompletedTask;

    public void LetAllEnd() => _end.TrySetResult();

    /// <summary>Waits until this many runs have begun.</summary>
    public Task<Run> BegunAsync(int count) => Eventually.SeesAsync(() => _runs.ElementAtOrDefault(count - 1)!, run => run is not null);

    public async ValueTask RunAsync(IJobExecutionContext context, CancellationToken cancellationToken, string? told = null)
    {
        int running = Interlocked.Increment(ref _running);
        try
        {
            Run run;
            lock (_runs)
            {
                _mostAtOnce = Math.Max(_mostAtOnce, running);
                run = new Run(_runs.Count + 1, context, told);
                _runs.Enqueue(run);
            }

            await Do(run, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    internal sealed record Run(int Number, IJobExecutionContext Context, string? Told)
    {
        public string Scheduler { get; } = Context.Scheduler.SchedulerName;

        public JobKey Job { get; } = Context.JobDetail.Key;

        public ITrigger Trigger { get; } = Context.Trigger;

        public DateTimeOffset? Scheduled { get; } = Context.ScheduledFireTimeUtc;
    }
}
