namespace JobLocking.Docs.Snippets;

public sealed class ByHand(ITaskLocks locks, ISearchIndex index)
{
    public async Task ReindexAsync(CancellationToken cancellationToken)
    {
        #region readme-by-hand
        await using TaskLease? lease = await locks.TryAcquireAsync("reindex", new TaskLockOptions { Expire = TimeSpan.FromMinutes(2) }, cancellationToken);
        if (lease is null)
        {
            return; // another execution holds the lock
        }

        await index.RebuildAsync(lease.Lost);
        #endregion
    }
}

public interface ISearchIndex
{
    Task RebuildAsync(CancellationToken cancellationToken);
}
