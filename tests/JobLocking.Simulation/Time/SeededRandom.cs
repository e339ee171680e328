namespace JobLocking.Simulation.Time;

/// <summary>All random numbers of a run, drawn from one seed in one order.</summary>
internal sealed class SeededRandom(int seed)
{
    // With a seed its numbers are the same on every platform and in every version.
    private readonly Random _random = new(seed);

    public int Next() => _random.Next();

    public bool Chance(double probability) => _random.NextDouble() < probability;

    /// <summary>A number from the first, up to but not including the second.</summary>
    public int Number(int from, int to) => _random.Next(from, to);

    public TimeSpan Span(TimeSpan from, TimeSpan to) => from + TimeSpan.FromTicks((long)(_random.NextDouble() * (to - from).Ticks));

    public TimeSpan Span(double fromSeconds, double toSeconds) => Span(TimeSpan.FromSeconds(fromSeconds), TimeSpan.FromSeconds(toSeconds));

    public T Pick<T>(params ReadOnlySpan<T> of) => of[_random.Next(of.Length)];
}
