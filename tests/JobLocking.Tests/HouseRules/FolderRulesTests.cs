using JobLocking.Redis;
using Xunit;

namespace JobLocking.Tests.HouseRules;

/// <summary>The folders of a package are rooms: no two depend on each other, and the rooms of the core have an order.</summary>
public sealed class FolderRulesTests
{
    private const string SampleNamespace = "JobLocking.Tests.HouseRules.Sample";

    private static readonly string[] OrderOfCore = ["Hosting", "Engine", "Waiting", "Leasing", "Policy", "Stores", "Telemetry"];

    private static readonly IReadOnlyList<TypeDependency> Core = FolderDependencies.In(typeof(TaskLockAttribute).Assembly, "JobLocking");

    private static readonly IReadOnlyList<TypeDependency> Redis = FolderDependencies.In(typeof(RedisLockOptions).Assembly, "JobLocking.Redis");

    private static readonly IReadOnlyList<TypeDependency> Sample = FolderDependencies.In(typeof(FolderRulesTests).Assembly, SampleNamespace);

    public static TheoryData<string> Uses => [.. typeof(FolderRulesTests).Assembly.GetTypes()
        .Where(type => type.Namespace == $"{SampleNamespace}.User" && !type.IsNested)
        .Select(type => type.Name.Split('`')[0])];

    [Fact]
    public void No_two_folders_of_the_core_depend_on_each_other() => None(FolderRules.MutualPairs(Core));

    [Fact]
    public void No_two_folders_of_the_Redis_store_depend_on_each_other() => None(FolderRules.MutualPairs(Redis));

    [Fact]
    public void A_folder_of_the_core_uses_only_those_below_it() => None(FolderRules.Upward(Core, OrderOfCore));

    [Fact]
    public void Every_folder_of_the_core_has_a_place_in_the_order() =>
        Assert.Equal(OrderOfCore.Order(), Core.SelectMany(d => new[] { d.FromFolder, d.ToFolder }).Distinct().Order());

    [Fact]
    public void Two_folders_that_depend_on_each_other_are_found_and_the_types_are_named()
    {
        string found = Assert.Single(FolderRules.MutualPairs(Sample));
        Assert.Equal("First and Second depend on each other: CallsSecond -> IsCalled; CallsFirst -> CallsSecond", found);
    }

    [Fact]
    public void A_dependency_on_a_folder_above_is_found_and_the_types_are_named()
    {
        string[] found = [.. FolderRules.Upward(Sample, ["User", "Used", "First", "Second", "Third", FolderDependencies.Root])];
        Assert.Equal(["Second is not above First: CallsFirst -> CallsSecond"], found);
    }

    [Fact]
    public void A_folder_that_is_not_in_the_order_is_above_nothing() =>
        Assert.Contains("First is not above Second: CallsSecond -> IsCalled", FolderRules.Upward(Sample, ["User", "Used", "Second"]));

    /// <summary>Each class of the sample uses the type in one way only.</summary>
    [Theory]
    [MemberData(nameof(Uses))]
    public void Each_way_to_use_a_type_is_a_dependency(string user) =>
        Assert.Contains(Sample, d => d.From == user && d is { FromFolder: "User", ToFolder: "Used" });

    [Fact]
    public void A_public_type_of_the_root_is_no_dependency_and_an_internal_one_is()
    {
        string?[] root = [.. Sample.Where(d => d.ToFolder == FolderDependencies.Root || d.FromFolder == FolderDependencies.Root).Select(d => $"{d.From} -> {d.To}")];
        Assert.Equal(["UsesTheRoot -> InternalRootType"], root);
    }

    private static void None(IEnumerable<string> broken)
    {
        string all = string.Join(Environment.NewLine, broken);
        Assert.True(all.Length == 0, all);
    }
}
