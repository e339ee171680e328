using System.Globalization;
using JobLocking.Waiting;

namespace JobLocking.Engine;

/// <summary>
/// What a deferral leaves for the next attempt of the execution: how long it has waited, and its position in the waiting queue. An
/// adapter gets it with <see cref="LockDecision.Defer.State"/>, stores its text, and gives it back in
/// <see cref="LockExecution.Deferral"/>, in any process.
/// </summary>
public sealed record DeferralState
{
    private const char Separator = ';';
    private const string Version = "1";
    private const string Standing = "standby";
    private const int LongestText = 200;

    internal DeferralState(
        int deferrals, int deferralsUnwoken, DateTimeOffset? firstDeferredAt, string waiter, bool standsBy, DateTimeOffset? askedAt)
    {
        Deferrals = deferrals;
        DeferralsUnwoken = deferralsUnwoken;
        FirstDeferredAt = firstDeferredAt;
        Waiter = waiter;
        StandsBy = standsBy;
        AskedAt = askedAt;
    }

    /// <summary>How often the execution has been deferred. Standing by does not count.</summary>
    public int Deferrals { get; }

    /// <summary>
    /// When it was deferred for the first time, by the engine's clock: a scheduler may have a clock of its own. Null while it has only
    /// stood by.
    /// </summary>
    public DateTimeOffset? FirstDeferredAt { get; }

    /// <summary>Whether it stands by, while another execution runs its occurrence.</summary>
    public bool StandsBy { get; }

    /// <summary>
    /// When the store answered it last, by the engine's clock: its occurrence had not ended then. Null while the store has not answered.
    /// </summary>
    internal DateTimeOffset? AskedAt { get; }

    /// <summary>How often it has been deferred, or stood by, since the last wake-up. Each of these doubles the next delay.</summary>
    internal int DeferralsUnwoken { get; private init; }

    /// <summary>Its waiter, as <see cref="Waiting.Waiter.Reference"/> names it.</summary>
    internal string Waiter { get; }

    /// <summary>Reads the text of <see cref="ToString"/>.</summary>
    /// <param name="text">The text; anything else is allowed, since users can change what a scheduler stores.</param>
    /// <returns>Null for any other text: then the execution counts as one that was not deferred before.</returns>
    public static DeferralState? Parse(string? text) =>
        text is { Length: <= LongestText }
        && text.Split(Separator) is [Version, var deferrals, var unwoken, var first, { Length: > 0 } waiter, .. var rest]
        && int.TryParse(deferrals, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
        && int.TryParse(unwoken, NumberStyles.None, CultureInfo.InvariantCulture, out int countUnwoken)
        && TryReadTime(first, out DateTimeOffset? firstDeferredAt)
        && rest is [] or [_] or [_, Standing]
        && TryReadTime(rest is [var asked, ..] ? asked : "0", out DateTimeOffset? askedAt)
            ? new DeferralState(count, countUnwoken, firstDeferredAt, waiter, standsBy: rest is [_, Standing], askedAt)
            : null;

    /// <summary>The state of a deferral that ends because of a wake-up, instead of after its delay.</summary>
    public DeferralState Woken() => this with { DeferralsUnwoken = 0 };

    /// <summary>The text to store. No two deferrals have the same.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Version}{Separator}{Deferrals}{Separator}{DeferralsUnwoken}{Separator}{FirstDeferredAt?.UtcTicks ?? 0}{Separator}{Waiter}"
        + $"{Separator}{AskedAt?.UtcTicks ?? 0}{(StandsBy ? $"{Separator}{Standing}" : "")}");

    /// <summary>The state after one more deferral.</summary>
    /// <param name="before">The state before; null for the first deferral.</param>
    /// <param name="now">The current time.</param>
    /// <param name="waiter">The waiter of the execution.</param>
    /// <param name="standsBy">Whether it stands by, which does not count as a deferral.</param>
    /// <param name="isAnswered">Whether the store has answered, so that its occurrence had not ended.</param>
    internal static DeferralState After(DeferralState? before, DateTimeOffset now, Waiter waiter, bool standsBy, bool isAnswered) => new(
        standsBy ? before?.Deferrals ?? 0 : Increment(before?.Deferrals ?? 0),
        Increment(before?.DeferralsUnwoken ?? 0),
        before?.FirstDeferredAt ?? (standsBy ? null : now),
        waiter.Reference,
        standsBy,
        isAnswered ? now : before?.AskedAt);

    private static bool TryReadTime(string ticks, out DateTimeOffset? time)
    {
        bool isTime = long.TryParse(ticks, NumberStyles.None, CultureInfo.InvariantCulture, out long read)
            && read <= DateTime.MaxValue.Ticks;
        time = isTime && read > 0 ? new DateTimeOffset(read, TimeSpan.Zero) : null;
        return isTime;
    }

    /// <summary>A stored count may be any number: one that became negative would end the delay.</summary>
    private static int Increment(int count) => count == int.MaxValue ? count : count + 1;
}
