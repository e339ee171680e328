namespace JobLocking.Tests.HouseRules;

/// <summary>One type needs another one of the same assembly, from another folder.</summary>
/// <param name="FromFolder">The folder of the type that needs the other.</param>
/// <param name="From">That type, without its namespace.</param>
/// <param name="ToFolder">The folder of the type that is needed.</param>
/// <param name="To">That type, without its namespace.</param>
internal sealed record TypeDependency(string FromFolder, string From, string ToFolder, string To);
