namespace JobLocking.Leasing;

/// <summary>How a lease was lost.</summary>
internal enum LeaseLoss
{
    /// <summary>Its deadline passed: not renewed in time, or frozen.</summary>
    Expired,

    /// <summary>Its deadline passed at the end of its maximum hold.</summary>
    HeldTooLong,

    /// <summary>The store says that another holds the lock.</summary>
    Taken,

    /// <summary>The store says that nobody holds the lock.</summary>
    Gone,

    /// <summary>An operator ended it.</summary>
    Broken,
}
