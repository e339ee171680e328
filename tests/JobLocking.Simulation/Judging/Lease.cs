using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>Everything that a history says about one lease.</summary>
internal sealed class Lease(Fact.Held held)
{
    public Fact.Held Held { get; } = held;

    public string Name => Held.Lease;

    /// <summary>When it was requested first.</summary>
    public long AskedAt { get; set; } = held.At;

    /// <summary>When the successful request was sent: its longest and shortest hold are counted from then on.</summary>
    public long CountsFrom { get; set; } = held.At;

    /// <summary>When its holder stopped believing in it, or died.</summary>
    public long EndedAt { get; set; } = long.MaxValue;

    /// <summary>How it ended; null if its process died, or if it never did.</summary>
    public End? How { get; set; }

    /// <summary>Until when no other execution could expect to get the lock, its minimum hold included.</summary>
    public long TakenUntil => How == End.Released ? Math.Max(EndedAt, CountsFrom + Held.MinHold.Ticks) : EndedAt;

    public string? Occurrence { get; set; }

    /// <summary>When the server granted or extended it, and until when.</summary>
    public List<(long At, long Until)> Touched { get; } = [];

    /// <summary>
    /// The grants and renewals that its process knows of: when it learned of each, and how long it may believe in it, counted from the
    /// request.
    /// </summary>
    public List<(long At, long Until)> Believed { get; } = [];

    /// <summary>When a process that was not frozen believed in it.</summary>
    public IReadOnlyList<(long From, long To)> Awake { get; set; } = [];

    /// <summary>The last moment, up to another one, at which the server touched it.</summary>
    public long TouchedBefore(long moment) => Touched.Select(touch => touch.At).Where(at => at <= moment).DefaultIfEmpty(long.MinValue).Max();

    public bool IsBelievedAt(long moment) => Awake.Any(span => span.From <= moment && moment < span.To);

    public override string ToString() => $"{Name} of {Held.Node} (token {Held.Token}, from {History.Moment(Held.At)} to {History.Moment(Math.Min(EndedAt, TimeSpan.MaxValue.Ticks))}, {How?.ToString() ?? "died"})";
}
