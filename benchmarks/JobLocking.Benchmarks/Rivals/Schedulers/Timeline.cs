using System.Diagnostics;

namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>When each job began and ended, as the jobs themselves report.</summary>
internal sealed class Timeline
{
    private readonly long[] _began;

    private readonly long[] _ended;

    private readonly TaskCompletionSource _allEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private int _left;

    public Timeline(int jobs)
    {
        _began = new long[jobs];
        _ended = new long[jobs];
        _left = jobs;
    }

    public int Jobs => _began.Length;

    /// <summary>The id of each job in the scheduler.</summary>
    public IList<string> JobIds { get; } = [];

    /// <summary>Completes when the last job has reported its end.</summary>
    public Task AllEnded => _allEnded.Task;

    /// <summary>From the first job's start to the last one's end.</summary>
    public TimeSpan Whole => Stopwatch.GetElapsedTime(_began.Min(), _ended.Max());

    /// <summary>From the first job's start to this one's.</summary>
    public TimeSpan Delay(int job) => Stopwatch.GetElapsedTime(_began.Min(), _began[job]);

    /// <summary>From this job's start to its end.</summary>
    public TimeSpan Body(int job) => Stopwatch.GetElapsedTime(_began[job], _ended[job]);

    /// <summary>
    /// From the start of one job to that of the next, where they run one after the other: everything that a scheduler and its locks do for
    /// one job.
    /// </summary>
    /// <param name="counts">Which jobs count: a pair counts if both its jobs do.</param>
    public Cycles Cycles(Func<int, bool> counts)
    {
        int[] inOrder = [.. Enumerable.Range(0, Jobs).OrderBy(job => _began[job])];
        return new Cycles(inOrder.Zip(inOrder.Skip(1))
            .Where(two => counts(two.First) && counts(two.Second))
            .Select(two => Stopwatch.GetElapsedTime(_began[two.First], _began[two.Second]).TotalMicroseconds));
    }

    /// <exception cref="InvalidOperationException">The job has run before: a contender that is faster because a lock let two jobs run
    /// cannot be compared.</exception>
    public void Begin(int job)
    {
        if (Interlocked.Exchange(ref _began[job], Stopwatch.GetTimestamp()) != 0)
        {
            InvalidOperationException twice = new($"Job {job} has run twice.");
            _allEnded.TrySetException(twice);
            throw twice;
        }
    }

    public void End(int job)
    {
        _ended[job] = Stopwatch.GetTimestamp();
        if (Interlocked.Decrement(ref _left) == 0)
        {
            _allEnded.TrySetResult();
        }
    }
}
