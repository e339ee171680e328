namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>One way to take locks, over one connection, as a process has it.</summary>
/// <remarks>A loop within the client is measured, so that nothing of ours is between two calls.</remarks>
internal interface ILockClient : IAsyncDisposable
{
    /// <summary>The same for all clients; no measurement lasts so long that a lease is renewed.</summary>
    static readonly TimeSpan Expiry = TimeSpan.FromSeconds(60);

    /// <summary>How many requests its connection has sent: a script is one.</summary>
    long Requests { get; }

    /// <summary>Acquires and releases a free lock, once for each time to be recorded.</summary>
    Task PairsAsync(string name, TimeSpan[] times);

    /// <summary>Takes a free lock.</summary>
    Task<IAsyncDisposable> HoldAsync(string name);

    /// <summary>Tries, without waiting, to take a held lock, once for each time to be recorded.</summary>
    Task TriesAsync(string name, TimeSpan[] times);

    /// <summary>Fails if the measured operation did not happen.</summary>
    static void Expect(bool taken, bool isFree)
    {
        if (taken != isFree)
        {
            throw new InvalidOperationException(isFree ? "A free lock was refused." : "A lock that is held was granted.");
        }
    }
}
