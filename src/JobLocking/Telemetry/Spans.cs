using System.Diagnostics;
using JobLocking.Engine;
using JobLocking.Leasing;
using static JobLocking.JobLockingDiagnostics;

namespace JobLocking.Telemetry;

/// <summary>
/// What traces tell. A scheduler that traces its jobs has a span for each already, and gets the lock as tags on it. A span
/// of our own is for where there is none: Hangfire, and locks by hand.
/// </summary>
internal static class Spans
{
    private const string Acquire = "joblocking.acquire";

    private static readonly ActivitySource Source = new(ActivitySourceName, typeof(Spans).Assembly.GetName().Version?.ToString(3));

    /// <summary>Null when nobody listens.</summary>
    public static Activity? StartAcquire() => Source.StartActivity(Acquire);

    /// <summary>An acquire begins whose span is started when it is over. Null if the source has no listener.</summary>
    /// <param name="time">The clock.</param>
    public static PastAcquire? BeginAcquire(TimeProvider time) => Source.HasListeners() ? new PastAcquire(time) : null;

    /// <summary>Gives an acquire that is over its span: below the span that is current now, or in a trace of its own.</summary>
    /// <param name="acquire">The acquire; null if the source had no listener when it began.</param>
    /// <param name="execution">The execution that asked.</param>
    /// <param name="decision">What it was told; null if the question was given up.</param>
    public static void Acquired(PastAcquire? acquire, LockExecution execution, LockDecision? decision)
    {
        if (acquire is null)
        {
            return;
        }

        using Activity? span = Source.StartActivity(ActivityKind.Internal, startTime: acquire.Start, name: Acquire);
        if (decision is not null)
        {
            Decided(span, execution, decision);
        }

        span?.SetEndTime(acquire.End.UtcDateTime);
    }

    public static void Decided(Activity? span, LockExecution execution, LockDecision decision)
    {
        if (span is not { IsAllDataRequested: true })
        {
            return;
        }

        Name(span, execution.Policy.Template, execution.Name, execution.Scheduler);
        span.SetTag(DecisionTag, TagValues.Of(decision));
        switch (decision)
        {
            case LockDecision.Run { Lease: { } lease }:
                span.SetTag(FencingTokenTag, lease.FencingToken);
                break;
            case LockDecision.Skip skip:
                span.SetTag(ReasonTag, TagValues.Of(skip.Cause)).SetTag(HolderTag, skip.Holder?.ToString());
                break;
            case LockDecision.Defer defer:
                span.SetTag(ReasonTag, TagValues.Of(defer.Cause)).SetTag(HolderTag, defer.Holder?.ToString());
                break;
        }
    }

    public static void AnsweredByHand(Activity? span, string name, string outcome, TaskLease? lease)
    {
        if (span is not { IsAllDataRequested: true })
        {
            return;
        }

        Name(span, ByHand, name, ByHand);
        span.SetTag(OutcomeTag, outcome).SetTag(FencingTokenTag, lease?.FencingToken);
        if (outcome is TagValues.Unavailable or TagValues.Error)
        {
            span.SetStatus(ActivityStatusCode.Error);
        }
    }

    public static void Lost(Activity? span, LeaseLoss loss) => span?.SetTag(LossTag, TagValues.Of(loss));

    private static void Name(Activity span, string template, string name, string scheduler) =>
        span.SetTag(LockTag, template).SetTag(LockNameTag, name).SetTag(SchedulerTag, scheduler);
}
