using System.Diagnostics;
using static JobLocking.JobLockingDiagnostics;

namespace JobLocking.Telemetry;

/// <summary>
/// What traces show. A scheduler that traces its jobs has a span for each already, and gets the lock as tags on it. JobLocking has a span
/// of its own where the scheduler has none: in Hangfire, and for locks taken by hand.
/// </summary>
internal static class Spans
{
    private const string Acquire = "joblocking.acquire";

    private static readonly ActivitySource Source = new(ActivitySourceName, typeof(Spans).Assembly.GetName().Version?.ToString(3));

    /// <summary>Null if the source has no listener.</summary>
    public static Activity? StartAcquire() => Source.StartActivity(Acquire);

    /// <summary>Notes that an acquire begins; its span is started when it is over. Null if the source has no listener.</summary>
    /// <param name="time">The clock.</param>
    public static PastAcquire? BeginAcquire(TimeProvider time) => Source.HasListeners() ? new PastAcquire(time) : null;

    /// <summary>Gives an acquire that is over its span: below the span that is current now, or in a trace of its own.</summary>
    /// <param name="acquire">The acquire; null if the source had no listener when it began.</param>
    /// <param name="tags">What was decided; null if the acquire was cancelled.</param>
    public static void Acquired(PastAcquire? acquire, in AcquireTags? tags)
    {
        if (acquire is null)
        {
            return;
        }

        using Activity? span = Source.StartActivity(ActivityKind.Internal, startTime: acquire.Start, name: Acquire);
        if (tags is { } decided)
        {
            Decided(span, decided);
        }

        span?.SetEndTime(acquire.End.UtcDateTime);
    }

    /// <summary>Sets the tags of a job's acquire on a span: that of the scheduler, or one of JobLocking.</summary>
    public static void Decided(Activity? span, in AcquireTags tags)
    {
        if (span is not { IsAllDataRequested: true })
        {
            return;
        }

        Name(span, tags.Template, tags.Name, tags.Scheduler);
        span.SetTag(DecisionTag, tags.Decision);
        if (tags.FencingToken is { } token)
        {
            span.SetTag(FencingTokenTag, token);
        }

        if (tags.Reason is { } reason)
        {
            span.SetTag(ReasonTag, reason).SetTag(HolderTag, tags.Holder?.ToString());
        }
    }

    /// <summary>Sets the tags of a lock taken by hand.</summary>
    /// <param name="span">The span; null if the source has no listener.</param>
    /// <param name="name">The resolved name of the lock.</param>
    /// <param name="outcome">The outcome.</param>
    /// <param name="fencingToken">The token of the lease; null if the lock is taken.</param>
    public static void AnsweredByHand(Activity? span, string name, string outcome, long? fencingToken)
    {
        if (span is { IsAllDataRequested: true })
        {
            Name(span, ByHand, name, ByHand);
            span.SetTag(OutcomeTag, outcome).SetTag(FencingTokenTag, fencingToken);
        }
    }

    /// <summary>Sets the tags of a lock taken by hand that could not be acquired. A cancelled acquire is no error.</summary>
    public static void FailedByHand(Activity? span, string name, Exception error)
    {
        AnsweredByHand(span, name, TagValues.Of(error), fencingToken: null);
        if (error is not OperationCanceledException && span is { IsAllDataRequested: true })
        {
            span.SetStatus(ActivityStatusCode.Error);
        }
    }

    /// <summary>Marks the span of a job whose lease was lost.</summary>
    public static void Lost(Activity? span, string loss) => span?.SetTag(LossTag, loss);

    private static void Name(Activity span, string template, string name, string scheduler) =>
        span.SetTag(LockTag, template).SetTag(LockNameTag, name).SetTag(SchedulerTag, scheduler);
}
