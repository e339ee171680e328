using Hangfire.States;

namespace JobLocking.Hangfire;

/// <summary>Scheduled by a deferral, which it bears the mark of: a schedule that somebody else gives the job meanwhile does not.</summary>
internal sealed class DeferredState(TimeSpan delay, Deferral deferral) : ScheduledState(delay), IState
{
    public const string Key = "JobLocking.Deferral";

    public Deferral Deferral { get; } = deferral;

    Dictionary<string, string> IState.SerializeData() => new(SerializeData()) { [Key] = Deferral.Mark };
}
