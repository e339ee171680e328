using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.History.Rules;

/// <summary>No key is there when everybody has released, and the last expiry is over.</summary>
internal static class Orphans
{
    public static IEnumerable<Violation> Check(Story story) =>
        story.Of(Happening.Orphan).Select(orphan => Violation.Of(Rule.Orphan, $"A key of lock '{orphan.Lock}' outlived everybody who could have held it.", orphan));
}
