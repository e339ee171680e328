using Hangfire.States;

namespace JobLocking.Hangfire.Tests;

/// <summary>The state of a job that a process has left that was killed, once its lease has expired.</summary>
internal sealed class DeadRunState : IState
{
    public string Name => ProcessingState.StateName;

    public string Reason => "";

    public bool IsFinal => false;

    public bool IgnoreJobLoadException => false;

    public Dictionary<string, string> SerializeData() => new()
    {
        ["StartedAt"] = "2026-01-01T00:00:00.0000000Z",
        ["ServerId"] = "dead",
        ["WorkerId"] = "dead",
    };
}
