namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>The times of jobs that run one after the other, each from its start to that of the next, in µs.</summary>
internal sealed class Cycles(IEnumerable<double> micros)
{
    private readonly double[] _all = [.. micros];

    /// <summary>In µs. A moment in which the machine is busy with other work affects only a few.</summary>
    public double Median => new Figure(_all).Median;

    /// <summary>Jobs a second, over all jobs, so that rare events count too.</summary>
    public double Rate => 1e6 / _all.Average();
}
