namespace JobLocking.Stores;

/// <summary>The store is unavailable, or did not answer.</summary>
public sealed class LockStoreException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What happened, without secrets.</param>
    /// <param name="mayHaveBeenApplied">False only if it is certain that the call changed nothing, and never will.</param>
    /// <param name="innerException">What the client library threw.</param>
    public LockStoreException(string message, bool mayHaveBeenApplied, Exception? innerException = null)
        : base(message, innerException)
    {
        MayHaveBeenApplied = mayHaveBeenApplied;
    }

    /// <summary>Whether the call may have been applied all the same: a time-out does not say that it was not.</summary>
    public bool MayHaveBeenApplied { get; }

    /// <summary>Why the call failed.</summary>
    public LockStoreFault Fault { get; init; }
}
