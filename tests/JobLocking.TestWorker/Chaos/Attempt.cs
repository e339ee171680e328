namespace JobLocking.TestWorker.Chaos;

/// <summary>One attempt of a scheduler at one of its jobs, told as an execution to whoever judges the locks.</summary>
/// <param name="witness">Who tells it.</param>
/// <param name="number">The process' own, which is that of the execution.</param>
/// <param name="lock">Of the job.</param>
internal sealed class Attempt(Witness witness, long number, string @lock)
{
    private long _token;
    private bool _givesBack;

    public long Number => number;

    public bool WasGranted => _token != 0;

    public void Asks() => witness.Tell(Happening.Asked, number, @lock);

    /// <summary>The job was not started.</summary>
    public void TurnedAway(Happening answer, string detail) => witness.Tell(answer, number, @lock, detail: detail);

    /// <summary>What all jobs do.</summary>
    /// <param name="lease">That it has.</param>
    /// <param name="milliseconds">For how long it works.</param>
    /// <param name="isShared">Others may work beside it.</param>
    /// <param name="fails">When all is done it fails nevertheless.</param>
    /// <param name="ran">To be called when it has begun.</param>
    /// <param name="done">To be called when it has done its work, and does not fail.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public async Task RunAsync(TaskLease lease, int milliseconds, bool isShared, bool fails, Action ran, Action done, CancellationToken cancellationToken)
    {
        _token = lease.FencingToken;
        witness.Tell(Happening.Granted, number, @lock, _token);
        ran();
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        over.CancelAfter(milliseconds);
        await witness.WorkAsync(@lock, lease, number, isShared, over.Token);
        ThrowIfLost(lease);
        _givesBack = true;
        if (!fails)
        {
            done();
        }

        witness.Tell(Happening.Releasing, number, @lock, _token);
        if (fails)
        {
            throw new InvalidOperationException("by chance");
        }
    }

    /// <summary>Its lock has been given back. Whoever has lost his lease has nothing to give back, and has not said that he would.</summary>
    public void Returned()
    {
        if (_givesBack)
        {
            witness.Tell(Happening.Released, number, @lock, _token);
        }
    }

    /// <summary>A lease that was lost as the work ended has nobody else who would tell.</summary>
    private void ThrowIfLost(TaskLease lease)
    {
        try
        {
            lease.ThrowIfLost();
        }
        catch (TaskLockLostException e)
        {
            witness.Tell(Happening.Disowned, number, @lock, _token, e.Message);
            throw;
        }
    }
}
