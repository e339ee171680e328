using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>What the scripts answer, in the words of the engine.</summary>
internal static class Answer
{
    /// <summary>The result of an acquire, or null if there was no token to be minted.</summary>
    public static AcquireResult? Acquired(RedisResult answer) => (string?)answer[0] switch
    {
        "granted" => new AcquireResult(AcquireOutcome.Granted, (long)answer[1]),
        "contended" => Contended(answer),
        "running" => new AcquireResult(
            AcquireOutcome.OccurrenceRunning, Holder: OccurrenceMark.Holder(Bytes(answer[2])), TimeLeft: TimeLeft(answer[3]), ParkedSince: (long)answer[1]),
        "succeeded" => new AcquireResult(AcquireOutcome.OccurrenceSucceeded, Holder: OccurrenceMark.Holder(Bytes(answer[1]))),
        "failed" => new AcquireResult(AcquireOutcome.OccurrenceFailed, Holder: OccurrenceMark.Holder(Bytes(answer[1]))),
        _ => null,
    };

    public static ReleaseOutcome Released(RedisResult answer) => (string?)answer switch
    {
        "released" => ReleaseOutcome.Released,
        "missing" => ReleaseOutcome.Missing,
        _ => ReleaseOutcome.NotYours,
    };

    public static LookResult Looked(RedisResult answer) => (string?)answer[0] == "free"
        ? new LookResult(IsFree: true, WasParked: (bool)answer[1])
        : new LookResult(IsFree: false, TimeLeft(answer[3]), (long)answer[2], WasParked: (bool)answer[1]);

    public static ReadOnlySpan<byte> Bytes(RedisResult value) => ((ReadOnlyMemory<byte>)(RedisValue)value).Span;

    /// <summary>PTTL answers −1 for a key without expiry, and −2 for one that has just gone.</summary>
    public static TimeSpan? TimeLeft(RedisResult pttl) => (long)pttl switch
    {
        -1 => null,
        long left => TimeSpan.FromMilliseconds(Math.Max(0, left)),
    };

    private static AcquireResult Contended(RedisResult answer)
    {
        LockValue first = LockValue.Parse(Bytes(answer[2]));
        LockHolder?[]? others = answer.Length == 4
            ? null
            : [.. Enumerable.Range(2, (answer.Length / 2) - 2).Select(i => LockValue.Parse(Bytes(answer[i * 2])).Holder)];
        return new AcquireResult(
            AcquireOutcome.Contended, Holder: first.Holder, TimeLeft: TimeLeft(answer[3]), IsKept: first.IsKept, ParkedSince: (long)answer[1], Others: others);
    }
}
