namespace JobLocking.Benchmarks;

/// <summary>How long something took, measured many times, in milliseconds.</summary>
internal sealed class Spread(IEnumerable<TimeSpan> times)
{
    private readonly double[] _sorted = [.. times.Select(time => time.TotalMilliseconds).Order()];

    public int Count => _sorted.Length;

    public double P50 => Percentile(50);

    public double P95 => Percentile(95);

    public double Max => _sorted[^1];

    /// <summary>The smallest measured value that this percentage of the values does not exceed.</summary>
    private double Percentile(int percent) => _sorted[((percent * Count) + 99) / 100 - 1];
}
