using JobLocking.Simulation.Histories;

namespace JobLocking.Simulation.Judging;

/// <summary>
/// Decides from a history alone whether the contract was kept. It knows nothing about the engine: only what holders believed, which
/// requests and answers were on the wire, what was broken when, and what became of the work.
/// </summary>
internal static class Judge
{
    public static IReadOnlyList<string> Violations(IReadOnlyList<Fact> facts)
    {
        Evidence evidence = new(facts);
        return
        [
            .. Exclusion.Violations(evidence),
            .. Belief.Violations(evidence),
            .. Wire.Violations(evidence),
            .. Occurrences.Violations(evidence),
            .. Waiting.Violations(evidence),
            .. Endings.Violations(evidence),
        ];
    }
}
