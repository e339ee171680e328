namespace JobLocking.Benchmarks.Rivals.Locks.Held;

/// <summary>Leases that are held and renewed for a while, over a connection of their own.</summary>
internal interface IHeldLeases : IAsyncDisposable
{
    /// <summary>How many requests the connection has sent: a script is one.</summary>
    long Requests { get; }

    /// <summary>Takes a lease.</summary>
    Task HoldAsync(string name);

    /// <summary>
    /// Holds them for this time and renews all of them at a third of their expiry; where the library does that itself, lets it.
    /// </summary>
    Task RenewAsync(TimeSpan interval, int intervals, CancellationToken stop) => Task.Delay(intervals * interval, stop);

    /// <summary>How many leases have been lost.</summary>
    int Lost();

    /// <summary>Releases all of them.</summary>
    Task ReleaseAsync();
}
