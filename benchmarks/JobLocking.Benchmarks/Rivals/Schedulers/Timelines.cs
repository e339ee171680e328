namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>Where the jobs of a host find the timeline of the present round.</summary>
internal sealed class Timelines
{
    public Timeline Current { get; private set; } = new(0);

    public Timeline Next(int jobs) => Current = new Timeline(jobs);
}
