namespace JobLocking.Benchmarks.Handoff;

/// <summary>A few nodes that take locks by hand, with one of the libraries.</summary>
internal interface ILockNodes
{
    /// <summary>How many nodes there are.</summary>
    const int Count = 5;

    string Library { get; }

    /// <summary>How many requests all of them have sent.</summary>
    long Requests { get; }

    /// <summary>Takes the lock as soon as it is free.</summary>
    Task<IAsyncDisposable> AcquireAsync(int node, string name, CancellationToken cancellationToken);

    /// <summary>Returns when this many are really waiting.</summary>
    Task AreWaitingAsync(string name, int waiters, CancellationToken cancellationToken);
}
