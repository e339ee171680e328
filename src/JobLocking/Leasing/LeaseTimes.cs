namespace JobLocking.Leasing;

/// <summary>The times and limits of this room. Change them here; no other file of the room has times of its own.</summary>
internal static class LeaseTimes
{
    /// <summary>How many times an acquire is sent if the store does not answer it.</summary>
    public const int AcquireAttempts = 2;

    /// <summary>
    /// The renewal loop handles more leases than this in several rounds. Between two rounds, leases can be added and deadlines are checked.
    /// </summary>
    public const int MostAtOnce = 2000;

    private static readonly TimeSpan FixedDrift = TimeSpan.FromMilliseconds(2);

    /// <summary>A lease is renewed when a third of its expiry has passed: two renewals may fail before it is lost.</summary>
    public static TimeSpan RenewAfter(TimeSpan expiry) => expiry / 3;

    /// <summary>
    /// A renewal also takes along the leases whose own renewal is due within this time, so that they share one request from then on.
    /// </summary>
    public static TimeSpan RenewTogether(TimeSpan expiry) => expiry / 10;

    /// <summary>How long after a renewal that was not answered the next one is sent.</summary>
    public static TimeSpan RetryRenewalAfter(TimeSpan expiry) => Shorter(expiry / 10, TimeSpan.FromSeconds(1));

    /// <summary>
    /// How far two clocks may drift apart during an expiry: 1 % and 2 ms, as in Redlock
    /// (https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/). The holder's deadline is earlier by this amount.
    /// </summary>
    public static TimeSpan Drift(TimeSpan expiry) => (expiry / 100) + FixedDrift;

    /// <summary>How long before its deadline a lease is ended, for an alarm with this earliness: less where the expiry is short.</summary>
    public static TimeSpan EndEarlyBy(TimeSpan expiry, TimeSpan earliness) => Shorter(earliness, expiry / 40);

    /// <summary>On a machine whose cores are busy, a thread that wakes up waits some milliseconds for a core.</summary>
    public static readonly TimeSpan AlarmThreadEarliness = TimeSpan.FromMilliseconds(50);

    /// <summary>The alarm's thread ends when it has had nothing to do for this time.</summary>
    public static readonly TimeSpan AlarmThreadIdle = TimeSpan.FromSeconds(10);

    /// <summary>A timer cannot wait for more than 49 days; an alarm that rings too early is set again.</summary>
    public static readonly TimeSpan LongestAlarm = TimeSpan.FromDays(1);

    /// <summary>
    /// The first pause before a release that was not answered is sent again. Each pause is twice as long as the one before.
    /// </summary>
    public static readonly TimeSpan FirstReleaseRetry = TimeSpan.FromMilliseconds(50);

    /// <summary>The longest pause before a release that was not answered is sent again.</summary>
    public static readonly TimeSpan LongestReleaseRetry = TimeSpan.FromSeconds(5);

    /// <summary>How long a host that stops waits for releases that are still going on.</summary>
    public static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(2);

    /// <summary>How long a request waits for a lost connection, counted from its loss.</summary>
    public static readonly TimeSpan LongestReconnect = TimeSpan.FromSeconds(1);

    /// <summary>How often requests that wait for a lost connection check whether it is back.</summary>
    public static readonly TimeSpan ReconnectPoll = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// How long an execution waits for an answer. A client library may wait longer, and would occupy the worker for that time.
    /// </summary>
    public static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(2);

    /// <summary>The same for a request that is sent a second time: a server that works could have answered the first one by then.</summary>
    public static readonly TimeSpan LongestSecondAnswer = TimeSpan.FromSeconds(0.5);

    /// <summary>
    /// The same for the first answer of a server: a starting process has to connect, and everything is slow the first time.
    /// </summary>
    public static readonly TimeSpan LongestFirstAnswer = TimeSpan.FromSeconds(5);

    /// <summary>
    /// After an unanswered request, no other is sent to the server for this time. A refusal is forgotten after the same time.
    /// </summary>
    public static readonly TimeSpan SilencePause = TimeSpan.FromSeconds(2);

    /// <summary>
    /// While a server owes an answer for longer than this, at most a quarter of a scheduler's workers may send it requests.
    /// </summary>
    public static readonly TimeSpan AnswerIsLate = TimeSpan.FromSeconds(1);

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
