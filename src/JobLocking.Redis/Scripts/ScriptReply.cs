using System.Globalization;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Scripts;

/// <summary>What the scripts answer, in the words of the engine.</summary>
internal static class ScriptReply
{
    private const long AThousandYears = 1000L * 365 * 24 * 60 * 60 * 1000;

    // As bytes, compared as they come: what is looked for each time needs no string.
    private static readonly RedisValue GrantedAnswer = "granted"u8.ToArray();

    private static readonly RedisValue ReleasedAnswer = "released"u8.ToArray();

    private static readonly RedisValue SharedAnswer = "shared"u8.ToArray();

    /// <summary>The result of an acquire, or null if there was no token to be minted.</summary>
    public static AcquireResult? Acquired(RedisResult answer, long sentAt) =>
        (RedisValue)answer[0] == GrantedAnswer ? new AcquireResult(AcquireOutcome.Granted, (long)answer[1]) { SentAt = sentAt } : Refused(answer);

    private static AcquireResult? Refused(RedisResult answer) => (string?)answer[0] switch
    {
        "contended" => Contended(answer),
        "running" => new AcquireResult(
            AcquireOutcome.OccurrenceRunning, Holder: OccurrenceMark.Holder(Bytes(answer[2])), TimeLeft: TimeLeft(answer[3]), QueuedSince: Since(answer[1])),
        "succeeded" => new AcquireResult(AcquireOutcome.OccurrenceSucceeded, Holder: OccurrenceMark.Holder(Bytes(answer[1]))),
        "spent" => new AcquireResult(AcquireOutcome.DeferralSpent),
        "failed" => new AcquireResult(AcquireOutcome.OccurrenceFailed, Holder: OccurrenceMark.Holder(Bytes(answer[1]))),
        _ => null,
    };

    public static ReleaseOutcome Released(RedisResult answer) =>
        (RedisValue)answer == ReleasedAnswer ? ReleaseOutcome.Released : NotReleased(answer);

    private static ReleaseOutcome NotReleased(RedisResult answer) => (string?)answer switch
    {
        "missing" => ReleaseOutcome.Missing,
        _ => ReleaseOutcome.NotYours,
    };

    /// <summary>Leases with a limit above 1 may hold the lock, and the script for them has to be asked.</summary>
    public static bool IsShared(RedisResult answer) => (RedisValue)answer == SharedAnswer;

    public static PollResult Polled(RedisResult answer) => new(
        IsFree: (string?)answer[0] == "free",
        TimeLeft(answer[3]),
        Since(answer[2]),
        WasQueued: (bool)answer[1],
        Others: answer.Length == 4 ? null : [.. Enumerable.Range(4, answer.Length - 4).Select(i => Since(answer[i]))]);

    /// <summary>Since when an execution is parked, as a script has said it.</summary>
    public static long Since(RedisResult place) =>
        long.TryParse((string?)place, NumberStyles.None, CultureInfo.InvariantCulture, out long since) ? since : 0;

    public static ReadOnlySpan<byte> Bytes(RedisResult value) => ((ReadOnlyMemory<byte>)(RedisValue)value).Span;

    /// <summary>PTTL answers −1 for a key without expiry, and −2 for one that has just gone.</summary>
    public static TimeSpan? TimeLeft(RedisResult pttl) => (long)pttl switch
    {
        -1 or > AThousandYears => null, // no date is that far away: whoever set it means for ever
        long left => TimeSpan.FromMilliseconds(Math.Max(0, left)),
    };

    private static AcquireResult Contended(RedisResult answer)
    {
        LockValue first = LockValue.Parse(Bytes(answer[2]));
        LockHolder?[]? others = answer.Length == 4
            ? null
            : [.. Enumerable.Range(2, (answer.Length / 2) - 2).Select(i => LockValue.Parse(Bytes(answer[i * 2])).Holder)];
        return new AcquireResult(
            AcquireOutcome.Contended, Holder: first.Holder, TimeLeft: TimeLeft(answer[3]), IsKept: first.IsKept, QueuedSince: Since(answer[1]), Others: others);
    }
}
