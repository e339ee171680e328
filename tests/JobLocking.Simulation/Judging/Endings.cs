using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>All work ends visibly, no second attempt is skipped because of a lock, and nothing is left behind.</summary>
internal static class Endings
{
    public static IEnumerable<string> Violations(Evidence evidence)
    {
        HashSet<string> open = new(StringComparer.Ordinal);
        foreach (Fact fact in evidence.Facts)
        {
            switch (fact)
            {
                case Fact.Submitted submitted:
                    open.Add(submitted.Work);
                    break;
                case Fact.Finished finished:
                    open.Remove(finished.Work);
                    break;
                case Fact.Decided { Decision: "skip", IsFirstAttempt: false, IsOccurrence: false } decided:
                    yield return $"{decided.Work} was skipped at {History.Moment(decided.At)}, though it was not the first attempt";
                    break;
                case Fact.Left left:
                    yield return $"left at {left.Where}: {left.What}";
                    break;
            }
        }

        foreach (string work in open)
        {
            yield return $"{work} never ended";
        }
    }
}
