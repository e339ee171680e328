using System.Globalization;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Scripts;

/// <summary>Translates the results of the scripts.</summary>
internal static class ScriptReply
{
    private const long AThousandYears = 1000L * 365 * 24 * 60 * 60 * 1000;

    // As bytes, compared as they come: the frequent results need no string.
    private static readonly RedisValue Granted = "granted"u8.ToArray();

    private static readonly RedisValue ReleasedLease = "released"u8.ToArray();

    private static readonly RedisValue Shared = "shared"u8.ToArray();

    /// <summary>The result of an acquire, or null if the key of the last fencing token holds none.</summary>
    public static AcquireResult? Acquired(RedisResult reply, long sentAt) =>
        (RedisValue)reply[0] == Granted ? new AcquireResult(AcquireOutcome.Granted, (long)reply[1]) { SentAt = sentAt } : Refused(reply);

    private static AcquireResult? Refused(RedisResult reply) => (string?)reply[0] switch
    {
        "contended" => Contended(reply),
        "gone" => Contended(reply) with { HolderIsGone = true },
        "running" => new AcquireResult(
            AcquireOutcome.OccurrenceRunning,
            Holder: OccurrenceMark.Holder(Bytes(reply[2])),
            TimeLeft: TimeLeft(reply[3]),
            QueuedSince: Since(reply[1])),
        "succeeded" => new AcquireResult(AcquireOutcome.OccurrenceSucceeded, Holder: OccurrenceMark.Holder(Bytes(reply[1]))),
        "spent" => new AcquireResult(AcquireOutcome.DeferralSpent),
        "failed" => new AcquireResult(AcquireOutcome.OccurrenceFailed, Holder: OccurrenceMark.Holder(Bytes(reply[1]))),
        "ended" => new AcquireResult(AcquireOutcome.OccurrenceEnded),
        _ => null,
    };

    public static ReleaseOutcome Released(RedisResult reply) =>
        (RedisValue)reply == ReleasedLease ? ReleaseOutcome.Released : NotReleased(reply);

    private static ReleaseOutcome NotReleased(RedisResult reply) => (string?)reply switch
    {
        "missing" => ReleaseOutcome.Missing,
        _ => ReleaseOutcome.NotYours,
    };

    /// <summary>Leases with a limit above 1 may hold the lock: the script for them has to be called.</summary>
    public static bool IsShared(RedisResult reply) => (RedisValue)reply == Shared;

    public static PollResult Polled(RedisResult reply) => new(
        IsFree: (string?)reply[0] == "free",
        TimeLeft(reply[3]),
        Since(reply[2]),
        WasQueued: (bool)reply[1],
        Others: reply.Length == 4 ? null : [.. Enumerable.Range(4, reply.Length - 4).Select(i => Since(reply[i]))]);

    /// <summary>Since when a waiter is queued, as a script returns it.</summary>
    public static long Since(RedisResult value) =>
        long.TryParse((string?)value, NumberStyles.None, CultureInfo.InvariantCulture, out long since) ? since : 0;

    public static ReadOnlySpan<byte> Bytes(RedisResult value) => ((ReadOnlyMemory<byte>)(RedisValue)value).Span;

    /// <summary>PTTL replies −1 for a key without expiry, and −2 for one that has just gone.</summary>
    public static TimeSpan? TimeLeft(RedisResult pttl) => (long)pttl switch
    {
        -1 or > AThousandYears => null, // no date is that far away: it means without an end
        long left => TimeSpan.FromMilliseconds(Math.Max(0, left)),
    };

    private static AcquireResult Contended(RedisResult reply)
    {
        LockValue first = LockValue.Parse(Bytes(reply[2]));
        LockHolder?[]? others = reply.Length == 4
            ? null
            : [.. Enumerable.Range(2, (reply.Length / 2) - 2).Select(i => LockValue.Parse(Bytes(reply[i * 2])).Holder)];
        return new AcquireResult(
            AcquireOutcome.Contended,
            Holder: first.Holder,
            TimeLeft: TimeLeft(reply[3]),
            IsKept: first.IsKept,
            QueuedSince: Since(reply[1]),
            Others: others);
    }
}
