namespace JobLocking.Benchmarks.Rivals.Locks.Held;

/// <summary>Leases that are held and renewed for a while, over a connection of their own.</summary>
internal interface IHeldLeases : IAsyncDisposable
{
    /// <summary>How many requests the connection has sent: a script is one.</summary>
    long Requests { get; }

    /// <summary>Takes a lease.</summary>
    Task HoldAsync(string name);

    /// <summary>So long, renewing all of them at a third of their expiry: by themselves, where they can.</summary>
    Task RenewAsync(TimeSpan interval, int intervals, CancellationToken stop) => Task.Delay(intervals * interval, stop);

    /// <summary>How many have been lost.</summary>
    int Lost();

    /// <summary>Gives all of them back.</summary>
    Task ReleaseAsync();
}
