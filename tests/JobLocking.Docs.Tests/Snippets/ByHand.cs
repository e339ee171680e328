namespace JobLocking.Docs.Snippets;

public sealed class ByHand(ITaskLocks locks, ISearchIndex index)
{
    public async Task ReindexAsync(CancellationToken cancellationToken)
    {
        #region lease-by-hand
        await using TaskLease? lease = await locks.TryAcquireAsync("reindex", new TaskLockOptions { Expire = TimeSpan.FromMinutes(2) }, cancellationToken);
        if (lease is null)
        {
            return; // another execution holds the lock
        }

        await index.RebuildAsync(lease.Lost);
        #endregion
    }

    public async Task BreakAsync(string stuck, CancellationToken cancellationToken)
    {
        #region lease-break
        await foreach (HeldLock held in locks.ListAsync("invoice:", cancellationToken))
        {
            Console.WriteLine($"{held.Name}: {held.Holder}, {held.TimeLeft} left, {held.Waiters.Count} waiting");
            if (held.FencingToken is { } token && held.Name == stuck)
            {
                await locks.BreakAsync(held.Name, token, cancellationToken); // its holder learns of it at once, through lease.Lost
            }
        }
        #endregion
    }
}

public interface ISearchIndex
{
    Task RebuildAsync(CancellationToken cancellationToken);
}
