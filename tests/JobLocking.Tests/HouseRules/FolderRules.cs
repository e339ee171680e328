namespace JobLocking.Tests.HouseRules;

/// <summary>The rules between the folders of a package; each violation is a text that names the types.</summary>
internal static class FolderRules
{
    /// <summary>Pairs of folders that depend on each other both ways.</summary>
    public static IEnumerable<string> MutualPairs(IReadOnlyCollection<TypeDependency> dependencies) =>
        from there in dependencies.GroupBy(d => (d.FromFolder, d.ToFolder))
        where string.CompareOrdinal(there.Key.FromFolder, there.Key.ToFolder) < 0
        join back in dependencies.GroupBy(d => (d.FromFolder, d.ToFolder))
            on there.Key equals (back.Key.ToFolder, back.Key.FromFolder)
        select $"{there.Key.FromFolder} and {there.Key.ToFolder} depend on each other: {Describe(there)}; {Describe(back)}";

    /// <summary>Dependencies on a folder that is not below, in an order from top to bottom.</summary>
    public static IEnumerable<string> Upward(IReadOnlyCollection<TypeDependency> dependencies, IReadOnlyList<string> order) =>
        from direction in dependencies.GroupBy(d => (From: d.FromFolder, To: d.ToFolder))
        where !order.SkipWhile(folder => folder != direction.Key.From).Contains(direction.Key.To)
        select $"{direction.Key.From} is not above {direction.Key.To}: {Describe(direction)}";

    private static string Describe(IEnumerable<TypeDependency> direction) =>
        string.Join(", ", direction.Select(d => $"{d.From} -> {d.To}").Order(StringComparer.Ordinal));
}
