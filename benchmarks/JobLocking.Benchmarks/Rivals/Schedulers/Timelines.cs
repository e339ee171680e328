namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>Gives the jobs of a host the timeline of the current round.</summary>
internal sealed class Timelines
{
    public Timeline Current { get; private set; } = new(0);

    public Timeline Next(int jobs) => Current = new Timeline(jobs);
}
