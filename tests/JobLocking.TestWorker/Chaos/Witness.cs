namespace JobLocking.TestWorker.Chaos;

/// <summary>Works under a lease, and tells what it does and is told.</summary>
internal sealed class Witness(string process, Protected resource)
{
    /// <summary>Changes what the lock protects, again and again, until it is done or has lost its lease; once at least.</summary>
    public async Task WorkAsync(string name, TaskLease lease, long execution, bool isShared, CancellationToken done)
    {
        TaskCompletionSource told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        CancellationTokenRegistration lost = lease.Lost.UnsafeRegister(
            _ =>
            {
                Tell(Happening.Lost, execution, name, lease.FencingToken);
                told.SetResult();
            },
            null);
        try
        {
            do
            {
                HistoryEvent claim = HistoryEvent.Now(process, Happening.Claimed, execution, name, lease.FencingToken);
                lease.ThrowIfLost();
                Say.Fact(claim.ToString());
                if (isShared)
                {
                    await PauseAsync();
                    continue;
                }

                await resource.AddPlainAsync(name, PauseAsync);
                bool wrote = await resource.AddFencedAsync(name, lease.FencingToken, PauseAsync);
                Tell(wrote ? Happening.Wrote : Happening.Fenced, execution, name, lease.FencingToken);
            }
            while (!done.IsCancellationRequested);
        }
        catch (TaskLockLostException e)
        {
            Tell(Happening.Disowned, execution, name, lease.FencingToken, e.Message);

            // Whoever asks may be faster than whoever is told, but is not the only one to know.
            await told.Task.WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
#pragma warning disable CA1031 // Whatever else is thrown is what the checker looks for.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Tell(Happening.Failed, execution, name, lease.FencingToken, e.ToString());
        }

        // The holding ends for whoever looks at it with the call to release, not with its answer.
        await lost.DisposeAsync();
    }

    public void Tell(Happening what, long execution, string name, long token = 0, string detail = "") =>
        Say.Fact(HistoryEvent.Now(process, what, execution, name, token, detail).ToString());

    private static Task PauseAsync() => Task.Delay(Random.Shared.Next(0, 4), CancellationToken.None);
}
