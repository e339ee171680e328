using System.Reflection;
using System.Runtime.CompilerServices;
using Hangfire;
using Hangfire.Server;

namespace JobLocking.Hangfire;

/// <summary>
/// The token of a job that runs under its lock: that of Hangfire, which is cancelled by a shutdown and when the job is taken away, and
/// which the loss of the lease cancels, too.
/// </summary>
/// <remarks>
/// The job and its activator see it; filters keep the token of Hangfire, since their contexts are copies that were made before. Hangfire
/// recognises a job that was taken away only by its own type of token. So <see cref="JobSpanFilter"/>, the innermost filter, throws the
/// exception of a cancelled job once more, and Hangfire judges it by its own token, as it does without JobLocking.
/// </remarks>
internal sealed class LockedJobToken : IJobCancellationToken, IDisposable
{
    private const string FieldName = "<CancellationToken>k__BackingField";

    private readonly PerformContext _job;
    private readonly IJobCancellationToken _hangfire;
    private readonly CancellationToken _lost;
    private readonly CancellationTokenSource _either;

    private LockedJobToken(PerformContext job, CancellationToken lost)
    {
        _job = job;
        _hangfire = job.CancellationToken;
        _lost = lost;
        _either = CancellationTokenSource.CreateLinkedTokenSource(_hangfire.ShutdownToken, lost);
        ShutdownToken = _either.Token;
    }

    /// <summary>Whether a job can be given a token: the property of the context has no setter, so its field is written.</summary>
    public static bool CanBeGiven { get; } = typeof(PerformContext)
        .GetField(FieldName, BindingFlags.Instance | BindingFlags.NonPublic)?.FieldType == typeof(IJobCancellationToken);

    /// <summary>What a parameter of type <see cref="CancellationToken"/> gets.</summary>
    public CancellationToken ShutdownToken { get; }

    /// <summary>The job has this token until it is disposed.</summary>
    /// <param name="job">The context of the job itself, not the copy that a filter gets.</param>
    /// <param name="lost">Cancelled when the lease of the job is lost.</param>
    public static LockedJobToken Give(PerformContext job, CancellationToken lost)
    {
        LockedJobToken token = new(job, lost);
        TokenOf(job) = token;
        return token;
    }

    public void ThrowIfCancellationRequested()
    {
        _hangfire.ThrowIfCancellationRequested();
        _lost.ThrowIfCancellationRequested();
    }

    public void Dispose()
    {
        TokenOf(_job) = _hangfire;
        _either.Dispose();
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = FieldName)]
    private static extern ref IJobCancellationToken TokenOf(PerformContext job);
}
