using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire.Telemetry;

/// <summary>Everything that the Hangfire adapter logs.</summary>
internal static partial class Log
{
    /// <summary>One category for the adapter, below that of core.</summary>
    public const string Category = "JobLocking.Hangfire";

    [LoggerMessage(EventIds.ParameterRefused, LogLevel.Warning, "{Storage} does not set a job parameter together with the state of the job, though it may say that it can. JobLocking sets it just before, which does the same unless the storage fails in between. Update the package of the storage if there is a newer one. Logged once")]
    public static partial void ParameterRefused(ILogger logger, Exception error, string storage);

    [LoggerMessage(EventIds.RecordNotWritten, LogLevel.Error, "Job #{Execution}: {Storage} did not set the job parameter {Parameter}. The job is deferred or woken nevertheless, but its place in the queue of the lock and its number of deferrals may be lost, and GiveUpAfter may begin again. Check the storage")]
    public static partial void RecordNotWritten(ILogger logger, Exception error, string execution, string storage, string parameter);

    [LoggerMessage(EventIds.QueueNotRead, LogLevel.Error, "Job #{Execution}: {Storage} did not say which queue the job was enqueued in. After a deferral it is enqueued in the default queue: make sure that a server works on it, or move the job")]
    public static partial void QueueNotRead(ILogger logger, Exception error, string execution, string storage);
}
