namespace JobLocking.TestWorker.Chaos;

/// <summary>A wall clock that stands at a time until it is started. The monotonic clock is the machine's.</summary>
internal sealed class StandingClock(DateTimeOffset at) : TimeProvider
{
    private long _started;

    public void Start() => _started = GetTimestamp();

    public override DateTimeOffset GetUtcNow() => (_started == 0 ? at : at + GetElapsedTime(_started)).ToUniversalTime();
}
