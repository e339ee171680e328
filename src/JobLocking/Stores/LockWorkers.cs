namespace JobLocking.Stores;

/// <summary>
/// The workers of one scheduler: of a Hangfire server, or the threads of a Quartz scheduler. An adapter gives them to each of its
/// executions. At most a quarter of them waits at once for a store that is away, so that jobs without a lock can run.
/// </summary>
public sealed class LockWorkers
{
    private readonly int _share;

    private int _waiting;

    private int _asking;

    /// <summary>Creates the workers of one scheduler.</summary>
    /// <param name="count">How many there are.</param>
    public LockWorkers(int count) => _share = Math.Max(1, count / 4);

    /// <summary>At least a quarter of the workers has sent a request to the store and has no answer yet.</summary>
    internal bool AreManyAsking => Volatile.Read(ref _asking) >= _share;

    internal void Ask() => Interlocked.Increment(ref _asking);

    internal void EndAsk() => Interlocked.Decrement(ref _asking);

    /// <summary>One more waits for the connection, until it calls <see cref="EndWait"/>; false if too many wait already.</summary>
    internal bool TryWait()
    {
        if (Interlocked.Increment(ref _waiting) <= _share)
        {
            return true;
        }

        EndWait();
        return false;
    }

    internal void EndWait() => Interlocked.Decrement(ref _waiting);
}
