namespace JobLocking.Telemetry;

/// <summary>
/// Values of tags that several rooms use; the others are next to the enum that they describe. Each tag has a closed set of values, and
/// all are constants, so that measuring allocates nothing.
/// </summary>
internal static class TagValues
{
    public const string Granted = "granted";
    public const string Contended = "contended";
    public const string Unavailable = "unavailable";
    public const string Cancelled = "cancelled";

    /// <summary>It is no longer known whether the occurrence was run.</summary>
    public const string OccurrenceForgotten = "occurrence_forgotten";

    /// <summary>The store threw an exception that it must not throw.</summary>
    public const string Error = "error";

    /// <summary>The outcome of an acquire that threw.</summary>
    public static string Of(Exception error) => error switch
    {
        TaskLockUnavailableException => Unavailable,
        OperationCanceledException => Cancelled,
        _ => Error,
    };
}
