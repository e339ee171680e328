namespace JobLocking.Stores;

/// <summary>Why a call to the store failed.</summary>
public enum LockStoreFault
{
    /// <summary>There is no connection, or it broke. Known at once.</summary>
    Disconnected,

    /// <summary>The store did not answer in time: the next call may have to wait as long.</summary>
    Unanswered,

    /// <summary>The store answered, with an error.</summary>
    Refused,
}
