using System.Diagnostics;

namespace JobLocking.ChaosTests.History;

/// <summary>What the load promised, and so what a history is measured by.</summary>
/// <param name="Locks">Each lock that the load asks for.</param>
/// <param name="Liveness">
/// How long a free lock may wait for those who wait for it, and how long after all faults are over nobody need have got on:
/// an expiry, a safety poll, and what the machine needs. The load goes on for as long after its last <c>Healed</c>, or nothing is judged there.
/// </param>
internal sealed record Terms(IReadOnlyDictionary<string, LockTerms> Locks, TimeSpan Liveness)
{
    /// <summary>Whom a fault was done to that concerns everybody; an empty name does as well.</summary>
    public string Server { get; init; } = "redis";

    /// <summary>Rows 9 and 14: where a fault <c>clock-behind</c> lies between two leases, the later may have the smaller token.</summary>
    public bool TokensMayGoBack { get; init; }

    /// <summary>Kinds of faults in which no answer reaches whom they are done to, from beginning to end.</summary>
    public IReadOnlySet<string> Silences { get; init; } = new HashSet<string>([Fault.Frozen]);

    /// <summary>Between what a fault's line says and what it does. No rule about two holders knows it.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(1);

    public static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    public LockTerms Of(string name) =>
        Locks.TryGetValue(name, out LockTerms? terms) ? terms : throw new ArgumentException($"The terms say nothing of lock '{name}'.");
}

/// <summary>What one lock promised.</summary>
/// <param name="Limit">How many may hold it at once.</param>
/// <param name="Expiry">How long a lease lasts that is not renewed.</param>
internal sealed record LockTerms(int Limit, TimeSpan Expiry)
{
    /// <summary>How long it stays taken at least.</summary>
    public TimeSpan MinHold { get; init; }

    /// <summary>What the counter that the lock protects says in the end; null if nobody looked.</summary>
    public long? Count { get; init; }
}
