using System.Diagnostics;

namespace JobLocking.ChaosTests.History;

/// <summary>What the load promised, and so what a history is checked against.</summary>
/// <param name="Locks">Each lock that the load requests.</param>
/// <param name="Liveness">
/// How long a lock with waiters may stay free, and how long after the end of all faults no progress is required: an expiry, a safety
/// poll, and the time that the machine needs. The load goes on for the same time after its last <c>Healed</c>; otherwise nothing is judged
/// there.
/// </param>
internal sealed record Terms(IReadOnlyDictionary<string, LockTerms> Locks, TimeSpan Liveness)
{
    /// <summary>The target of a fault that concerns all processes; an empty name means the same.</summary>
    public string Server { get; init; } = "redis";

    /// <summary>Rows 9 and 14: if a fault <c>clock-behind</c> lies between two leases, the later one may have the smaller token.</summary>
    public bool TokensMayGoBack { get; init; }

    /// <summary>Kinds of faults during which no reply reaches their target.</summary>
    public IReadOnlySet<string> Silences { get; init; } = new HashSet<string>([Fault.Frozen]);

    /// <summary>The time between a fault's line and its effect. Rules about two holders do not use it.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(1);

    public static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    public LockTerms Of(string name) =>
        Locks.TryGetValue(name, out LockTerms? terms) ? terms : throw new ArgumentException($"The terms say nothing of lock '{name}'.");
}

/// <summary>What one lock promised.</summary>
/// <param name="Limit">How many may hold it at once.</param>
/// <param name="Expiry">How long a lease lasts without renewal.</param>
internal sealed record LockTerms(int Limit, TimeSpan Expiry)
{
    /// <summary>The shortest time that the lock stays taken.</summary>
    public TimeSpan MinHold { get; init; }

    /// <summary>The final value of the protected counter; null if it was not read.</summary>
    public long? Count { get; init; }
}
