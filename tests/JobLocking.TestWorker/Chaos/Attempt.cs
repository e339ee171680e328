namespace JobLocking.TestWorker.Chaos;

/// <summary>One attempt of a scheduler to run one of its jobs, reported as an execution to the checker of the locks.</summary>
/// <param name="executions">Reports it.</param>
/// <param name="number">The number of the execution, unique in its process.</param>
/// <param name="lock">The lock of the job.</param>
internal sealed class Attempt(ExecutionReporter executions, long number, string @lock)
{
    private long _token;
    private bool _releases;

    public long Number => number;

    public bool WasGranted => _token != 0;

    public void Asked() => executions.Report(HistoryEventKind.Asked, number, @lock);

    /// <summary>The job was not started.</summary>
    public void NotStarted(HistoryEventKind answer, string detail) => executions.Report(answer, number, @lock, detail: detail);

    /// <summary>What all jobs do.</summary>
    /// <param name="lease">The lease of the job.</param>
    /// <param name="milliseconds">How long it works.</param>
    /// <param name="isShared">Whether other executions may work at the same time.</param>
    /// <param name="fails">Whether it fails after its work is done.</param>
    /// <param name="ran">Called when it has begun.</param>
    /// <param name="done">Called when it has done its work and does not fail.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public async Task RunAsync(TaskLease lease, int milliseconds, bool isShared, bool fails, Action ran, Action done, CancellationToken cancellationToken)
    {
        _token = lease.FencingToken;
        executions.Report(HistoryEventKind.Granted, number, @lock, _token);
        ran();
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        over.CancelAfter(milliseconds);
        await executions.WorkAsync(@lock, lease, number, isShared, over.Token);
        ThrowIfLost(lease);
        _releases = true;
        if (!fails)
        {
            done();
        }

        executions.Report(HistoryEventKind.Releasing, number, @lock, _token);
        if (fails)
        {
            throw new InvalidOperationException("by chance");
        }
    }

    /// <summary>Its lock has been released. An execution that lost its lease has nothing to release, and did not report that it would.</summary>
    public void Released()
    {
        if (_releases)
        {
            executions.Report(HistoryEventKind.Released, number, @lock, _token);
        }
    }

    /// <summary>Nothing else reports a lease that was lost as the work ended.</summary>
    private void ThrowIfLost(TaskLease lease)
    {
        try
        {
            lease.ThrowIfLost();
        }
        catch (TaskLockLostException e)
        {
            executions.Report(HistoryEventKind.Disowned, number, @lock, _token, e.Message);
            throw;
        }
    }
}
