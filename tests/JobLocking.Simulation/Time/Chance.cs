namespace JobLocking.Simulation.Time;

/// <summary>All that is left to chance, drawn from one seed in one order.</summary>
internal sealed class Chance(int seed)
{
    // With a seed, its numbers are the same on every platform and in every version.
    private readonly Random _random = new(seed);

    public int Lot() => _random.Next();

    public bool Of(double probability) => _random.NextDouble() < probability;

    /// <summary>From the first up to the second, without it.</summary>
    public int Number(int from, int to) => _random.Next(from, to);

    public TimeSpan Span(TimeSpan from, TimeSpan to) => from + TimeSpan.FromTicks((long)(_random.NextDouble() * (to - from).Ticks));

    public TimeSpan Span(double fromSeconds, double toSeconds) => Span(TimeSpan.FromSeconds(fromSeconds), TimeSpan.FromSeconds(toSeconds));

    public T One<T>(params ReadOnlySpan<T> of) => of[_random.Next(of.Length)];
}
