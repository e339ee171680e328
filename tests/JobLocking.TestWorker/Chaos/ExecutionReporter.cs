namespace JobLocking.TestWorker.Chaos;

/// <summary>Works under a lease, and reports what it does and observes to the checker of the history.</summary>
internal sealed class ExecutionReporter(string process, ProtectedCounters resource)
{
    /// <summary>Changes what the lock protects, again and again, until it is done or has lost its lease; once at least.</summary>
    public async Task WorkAsync(string name, TaskLease lease, long execution, bool isShared, CancellationToken done)
    {
        TaskCompletionSource reported = new(TaskCreationOptions.RunContinuationsAsynchronously);
        CancellationTokenRegistration lost = lease.Lost.UnsafeRegister(
            _ =>
            {
                Report(HistoryEventKind.Lost, execution, name, lease.FencingToken);
                reported.SetResult();
            },
            null);
        try
        {
            do
            {
                HistoryEvent claim = HistoryEvent.Now(process, HistoryEventKind.Claimed, execution, name, lease.FencingToken);
                lease.ThrowIfLost();
                WorkerOutput.Report(claim.ToString());
                if (isShared)
                {
                    await PauseAsync();
                    continue;
                }

                await resource.AddPlainAsync(name, PauseAsync);
                bool wrote = await resource.AddFencedAsync(name, lease.FencingToken, PauseAsync);
                Report(wrote ? HistoryEventKind.Wrote : HistoryEventKind.Fenced, execution, name, lease.FencingToken);
            }
            while (!done.IsCancellationRequested);
        }
        catch (TaskLockLostException e)
        {
            Report(HistoryEventKind.Disowned, execution, name, lease.FencingToken, e.Message);

            // ThrowIfLost may be faster than the callback, but the loss must be reported by both.
            await reported.Task.WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
#pragma warning disable CA1031 // Any other exception is what the checker looks for.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Report(HistoryEventKind.Failed, execution, name, lease.FencingToken, e.ToString());
        }

        // For an observer the hold ends when the release is called, not when it returns.
        await lost.DisposeAsync();
    }

    public void Report(HistoryEventKind what, long execution, string name, long token = 0, string detail = "") =>
        WorkerOutput.Report(HistoryEvent.Now(process, what, execution, name, token, detail).ToString());

    private static Task PauseAsync() => Task.Delay(Random.Shared.Next(0, 4), CancellationToken.None);
}
