namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>Releases a lock that has no handle of its own.</summary>
internal sealed class Release(Func<Task> release) : IAsyncDisposable
{
    public async ValueTask DisposeAsync() => await release();
}
