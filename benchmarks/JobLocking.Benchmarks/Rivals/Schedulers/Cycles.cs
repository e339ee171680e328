namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>What jobs that run one after the other take, each from its begin to that of the next, in µs.</summary>
internal sealed class Cycles(IEnumerable<double> micros)
{
    private readonly double[] _all = [.. micros];

    /// <summary>In µs. A moment in which the machine is busy with others lengthens only a few.</summary>
    public double Median => new Figure(_all).Median;

    /// <summary>Jobs a second: of all of them, so that what happens once in a while counts too.</summary>
    public double Rate => 1e6 / _all.Average();
}
