using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>Translates what StackExchange.Redis throws into a <see cref="LockStoreException"/>.</summary>
internal static class RedisFault
{
    public static bool IsOne(Exception error) =>
        error is RedisException or RedisTimeoutException or RedisCommandException or TimeoutException or ObjectDisposedException;

    /// <param name="error">What was thrown.</param>
    /// <param name="what">What was attempted.</param>
    /// <param name="whyNoOther">Why a new connection failed as well, if one was tried.</param>
    public static LockStoreException Translate(Exception error, string what, string? whyNoOther = null)
    {
        string reason = Reason(error);
        string other = whyNoOther is null || whyNoOther == reason || !IsWithoutPrimary(error)
            ? ""
            : $" A new connection failed as well: {whyNoOther}";
        return new LockStoreException($"{what}: {reason}{other}", MayHaveBeenApplied(error), error) { Fault = Fault(error) };
    }

    /// <summary>Whether no primary took the write: there was no primary, the server is not a primary, or it lacks replicas.</summary>
    public static bool IsWithoutPrimary(Exception error) => error switch
    {
        RedisServerException server => server.Kind is RedisErrorKind.ReadOnly or RedisErrorKind.MasterDown or RedisErrorKind.NoReplicas,
        RedisConnectionException => true,
        RedisTimeoutException timeout => timeout.Commandstatus == CommandStatus.WaitingInBacklog,
        _ => false,
    };

    /// <summary>Waits no longer than the token allows. What was sent cannot be called back; its failure is not observed then.</summary>
    public static async Task<T> UntilAsync<T>(Task<T> sent, CancellationToken cancellationToken)
    {
        try
        {
            return await sent.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ = Observed(sent);
            throw;
        }
    }

    /// <summary>A task that may be left alone: its failure is not reported as unobserved.</summary>
    public static T Observed<T>(T sent)
        where T : Task
    {
        _ = sent.ContinueWith(
            static failed => _ = failed.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return sent;
    }

    public static string Reason(Exception error) => error switch
    {
        RedisServerException { Kind: RedisErrorKind.OutOfMemory } server =>
            $"Redis answered '{server.Message}'. "
            + "Fix: raise maxmemory or free memory; held leases are still renewed and released.",
        RedisServerException server => $"Redis answered '{server.Message}'.",
        RedisConnectionException { Message: var text } when text.Contains("not eligible for replica", StringComparison.Ordinal) =>
            "the connection leads to a replica, which accepts no writes, and to no primary.",
        RedisConnectionException connection => $"Redis cannot be reached ({connection.FailureType}{Cause(connection)}).",
        TimeoutException => "Redis did not answer in time.",
        ObjectDisposedException => "the connection to Redis has been closed.",
        _ => error.Message,
    };

    // The messages of the client library describe its own state; the innermost exception (a certificate, a socket) says what is wrong.
    private static string Cause(RedisConnectionException error) =>
        error.GetBaseException() is var cause and not RedisConnectionException ? $": {cause.Message.TrimEnd('.')}" : "";

    private static LockStoreFault Fault(Exception error) => error switch
    {
        RedisServerException or RedisCommandException => LockStoreFault.Refused,
        TimeoutException => LockStoreFault.Unanswered,
        _ => LockStoreFault.Disconnected,
    };

    // Certainly not applied: errors about the state of the server, which come before it runs anything, and requests that timed out in
    // the backlog, from where they are removed. A request that is being written may still be sent after its time-out. A script can fail
    // half-way with any other error, and with errors about rights and unknown commands that name the script.
    private static bool MayHaveBeenApplied(Exception error) => error switch
    {
        RedisServerException { Kind: RedisErrorKind.NoPermission or RedisErrorKind.UnknownCommand } server =>
            server.Message.Contains("script: ", StringComparison.Ordinal),
        RedisServerException server => server.Kind is not (RedisErrorKind.Loading or RedisErrorKind.Busy or RedisErrorKind.ReadOnly
            or RedisErrorKind.OutOfMemory or RedisErrorKind.MasterDown or RedisErrorKind.ClusterDown or RedisErrorKind.TryAgain
            or RedisErrorKind.Moved or RedisErrorKind.Ask or RedisErrorKind.UnknownRedirectTarget or RedisErrorKind.CrossSlot
            or RedisErrorKind.Misconfigured or RedisErrorKind.NoReplicas or RedisErrorKind.MaxClients or RedisErrorKind.NoScript
            or RedisErrorKind.NoAuth or RedisErrorKind.WrongPass),
        RedisConnectionException connection => connection.CommandStatus != CommandStatus.WaitingInBacklog,
        RedisTimeoutException timeout => timeout.Commandstatus != CommandStatus.WaitingInBacklog,
        RedisCommandException => false,
        _ => true,
    };
}
