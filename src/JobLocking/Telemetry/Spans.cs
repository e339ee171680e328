using System.Diagnostics;
using JobLocking.Engine;
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
                span.SetTag(ReasonTag, skip.Cause).SetTag(HolderTag, skip.Holder?.ToString());
                break;
            case LockDecision.Defer defer:
                span.SetTag(ReasonTag, defer.Cause).SetTag(HolderTag, defer.Holder?.ToString());
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
