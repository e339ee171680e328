using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Time;

/// <summary>The simulated time, the queue of events to come, and the seed that decides them.</summary>
internal sealed class World(int seed, bool isTraced)
{
    public static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly PriorityQueue<(Action What, bool IsAlone), (long At, int Lot, long Order)> _coming = new();
    private long _order;

    public SeededRandom Random { get; } = new(seed);

    public History History { get; } = new(isTraced);

    /// <summary>In ticks, since the start.</summary>
    public long Now { get; private set; }

    /// <summary>Events of the same moment come in a random order.</summary>
    /// <param name="moment">The moment; now, if it has passed.</param>
    /// <param name="what">What happens.</param>
    /// <param name="alone">Only when nothing else is under way.</param>
    public void At(long moment, Action what, bool alone = false) => _coming.Enqueue((what, alone), (Math.Max(moment, Now), Random.Next(), _order++));

    public void After(TimeSpan delay, Action what, bool alone = false) => At(Now + delay.Ticks, what, alone);

    /// <summary>Lets time pass until the run is over, or up to a moment.</summary>
    /// <returns>True if it is over.</returns>
    public async Task<bool> PassAsync(long until, Func<bool> isOver)
    {
        await OneThread.SettleAsync();
        while (!isOver())
        {
            if (!_coming.TryPeek(out _, out (long At, int, long) first) || first.At > until)
            {
                Now = until;
                return isOver();
            }

            Now = first.At;
            _coming.Dequeue().What();

            // Several events of the same moment may overlap.
            if (_coming.TryPeek(out (Action What, bool IsAlone) next, out (long At, int, long) then) && then.At == Now && !next.IsAlone && Random.Chance(0.5))
            {
                _coming.Dequeue();
                next.What();
            }

            await OneThread.SettleAsync();
        }

        return true;
    }

    /// <summary>A remark for people, in the trace only.</summary>
    public void Trace([System.Runtime.CompilerServices.InterpolatedStringHandlerArgument("")] ref History.Remark remark) => History.Trace(Now, ref remark);
}
