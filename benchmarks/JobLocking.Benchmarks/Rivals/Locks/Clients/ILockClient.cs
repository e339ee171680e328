namespace JobLocking.Benchmarks.Rivals.Locks.Clients;

/// <summary>One way to take locks, over one connection, as a process has it.</summary>
/// <remarks>What is measured is a loop within the client, so that nothing of ours stands between two calls of it.</remarks>
internal interface ILockClient : IAsyncDisposable
{
    /// <summary>For all clients the same; nothing that is measured lasts so long that a lease is renewed.</summary>
    static readonly TimeSpan Expiry = TimeSpan.FromSeconds(60);

    /// <summary>How many requests its connection has sent: a script is one.</summary>
    long Requests { get; }

    /// <summary>Takes a free lock and gives it back, as often as there are times to be noted.</summary>
    Task PairsAsync(string name, TimeSpan[] times);

    /// <summary>Takes a free lock.</summary>
    Task<IAsyncDisposable> HoldAsync(string name);

    /// <summary>Tries, without waiting, to take a lock that is held, as often as there are times to be noted.</summary>
    Task TriesAsync(string name, TimeSpan[] times);

    /// <summary>Nobody measures what did not happen.</summary>
    static void Expect(bool taken, bool isFree)
    {
        if (taken != isFree)
        {
            throw new InvalidOperationException(isFree ? "A free lock was refused." : "A lock that is held was granted.");
        }
    }
}
