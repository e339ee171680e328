namespace JobLocking.Benchmarks.Handoff;

/// <summary>Everything that was measured in one case of one library.</summary>
internal sealed class HandoffResult(IHandoff of)
{
    private readonly List<TimeSpan> _times = [];

    private Traffic _traffic;

    public IHandoff Of => of;

    public Spread Times => new(_times);

    public double RequestsEach => (double)_traffic.Requests / _times.Count;

    public double CommandsEach => (double)_traffic.Commands / _times.Count;

    public void Add(Handoffs handoffs)
    {
        _times.AddRange(handoffs.Times);
        _traffic += handoffs.Traffic;
    }

    public void Forget()
    {
        _times.Clear();
        _traffic = default;
    }
}
