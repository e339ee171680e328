using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>A history, prepared for judging.</summary>
internal sealed class Evidence
{
    /// <summary>
    /// The time after the last fault until connections are back, time-outs have passed and dead processes are known to be dead.
    /// </summary>
    private static readonly long Settling = TimeSpan.FromSeconds(15).Ticks;

    private readonly Dictionary<string, List<(long From, long To)>> _frozen = new(StringComparer.Ordinal);

    public Evidence(IReadOnlyList<Fact> facts)
    {
        Facts = facts;
        Dictionary<string, Lease> leases = new(StringComparer.Ordinal);
        Dictionary<string, long> asked = new(StringComparer.Ordinal);
        Dictionary<string, long> askedLast = new(StringComparer.Ordinal);
        Dictionary<int, Fact.Sent> sent = [];
        Dictionary<string, List<(long, long)>> touched = new(StringComparer.Ordinal);
        Dictionary<string, List<(long, long)>> believed = new(StringComparer.Ordinal);
        Dictionary<string, long> frozenAt = new(StringComparer.Ordinal);
        foreach (Fact fact in facts)
        {
            switch (fact)
            {
                case Fact.Frozen frozen:
                    frozenAt[frozen.Node] = frozen.At;
                    break;
                case Fact.Thawed thawed when frozenAt.Remove(thawed.Node, out long from):
                    Of(_frozen, thawed.Node).Add((from, thawed.At));
                    break;
                case Fact.Gone gone:
                    Gone[gone.Node] = gone.At;
                    break;
                case Fact.Sent one:
                    sent[one.Call] = one;
                    if (one.StoreCall == StoreCall.Acquire)
                    {
                        asked.TryAdd(one.Lease, one.At);
                        askedLast[one.Lease] = one.At;
                    }

                    break;
                case Fact.Applied { Done: true, StoreCall: StoreCall.Acquire or StoreCall.Renew } applied:
                    Of(touched, applied.Lease).Add((applied.At, applied.At + sent[applied.Call].Expiry.Ticks));
                    break;
                case Fact.Answered { IsKnown: true } answered when sent.TryGetValue(answered.Call, out Fact.Sent? request) && request.StoreCall != StoreCall.Release:
                    Of(believed, request.Lease).Add((answered.At, request.At + request.Expiry.Ticks));
                    break;
                case Fact.Held held:
                    leases.Add(held.Lease, new Lease(held));
                    break;
                case Fact.Ended ended when leases.TryGetValue(ended.Lease, out Lease? lease) && ended.At < lease.EndedAt:
                    (lease.EndedAt, lease.How) = (ended.At, ended.How);
                    break;
                case Fact.Ran ran:
                    leases[ran.Lease].Occurrence = ran.Occurrence;
                    break;
                case Fact.Calm calm:
                    CalmAt = calm.At + Settling;
                    break;
            }

            EndsAt = fact.At;
        }

        foreach ((string node, long from) in frozenAt)
        {
            Of(_frozen, node).Add((from, Gone.GetValueOrDefault(node, long.MaxValue)));
        }

        foreach (Lease lease in leases.Values)
        {
            lease.AskedAt = asked.GetValueOrDefault(lease.Name, lease.Held.At);
            lease.CountsFrom = askedLast.GetValueOrDefault(lease.Name, lease.Held.At);
            lease.Touched.AddRange(touched.GetValueOrDefault(lease.Name, []));
            lease.Believed.AddRange(believed.GetValueOrDefault(lease.Name, []));
            if (Gone.TryGetValue(lease.Held.Node, out long gone) && gone < lease.EndedAt)
            {
                (lease.EndedAt, lease.How) = (gone, null);
            }

            lease.Awake = WithoutFreezes(lease.Held.Node, lease.Held.At, lease.EndedAt);
        }

        Leases = [.. leases.Values];
    }

    public IReadOnlyList<Fact> Facts { get; }

    public IReadOnlyList<Lease> Leases { get; }

    /// <summary>When processes ended, in any way.</summary>
    public Dictionary<string, long> Gone { get; } = new(StringComparer.Ordinal);

    /// <summary>The moment from which nothing is broken, and no consequence of a fault is left.</summary>
    public long CalmAt { get; } = long.MaxValue;

    public long EndsAt { get; }

    /// <summary>When a process learns what it should learn at a moment: at that moment, or when it thaws.</summary>
    public long Awake(string node, long moment)
    {
        foreach ((long from, long to) in _frozen.GetValueOrDefault(node, []))
        {
            if (from <= moment && moment <= to)
            {
                return to;
            }
        }

        return moment;
    }

    /// <summary>
    /// Whether the server had forgotten a lease, or ended it too soon, through no fault of its holder, after everything that it had
    /// promised up to that moment.
    /// </summary>
    public bool WasHarmed(Lease lease, long moment)
    {
        long promised = lease.Touched.Where(touch => touch.At <= moment && touch.Until > moment).Select(touch => touch.At).DefaultIfEmpty(lease.TouchedBefore(moment)).Max();
        return Facts.Any(fact => promised <= fact.At && fact.At <= moment && fact switch
        {
            Fact.DataLost => true,
            Fact.ClockStepped step => step.By > TimeSpan.Zero,
            Fact.Freed freed => freed.Lock == lease.Held.Lock && freed.Token == lease.Held.Token,
            _ => false,
        });
    }

    private List<(long From, long To)> WithoutFreezes(string node, long from, long to)
    {
        List<(long From, long To)> awake = [];
        foreach ((long frozen, long thawed) in _frozen.GetValueOrDefault(node, []))
        {
            if (frozen < to && thawed > from)
            {
                if (frozen > from)
                {
                    awake.Add((from, frozen));
                }

                from = thawed;
            }
        }

        if (from < to)
        {
            awake.Add((from, to));
        }

        return awake;
    }

    private static List<T> Of<T>(Dictionary<string, List<T>> lists, string key)
    {
        if (!lists.TryGetValue(key, out List<T>? list))
        {
            lists.Add(key, list = []);
        }

        return list;
    }
}
