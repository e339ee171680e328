using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using JobLocking.Policy;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace JobLocking.Tests.Policy;

/// <summary>The table of the settings is the source: every other list of them says the same.</summary>
public sealed partial class LockSettingRulesTests
{
    private static readonly XElement Documentation = XElement.Load(Path.ChangeExtension(typeof(TaskLockAttribute).Assembly.Location, "xml"));

    public static TheoryData<string> Names => [.. LockSettingRules.All.Select(rule => rule.Name)];

    [Fact]
    public void Every_setting_has_one_row()
    {
        string[] rows = [.. LockSettingRules.All.Select(rule => rule.Name)];
        Assert.Equal(Properties(typeof(LockSettings)).Select(property => property.Name), rows);
        Assert.Equal(rows.Order(), Properties(typeof(TaskLockAttribute)).Where(p => p.CanWrite).Select(p => p.Name).Order());
        Assert.Empty(Properties(typeof(TaskLockOptions)).Select(property => property.Name).Except(rows));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Attribute_and_options_have_the_default_of_the_table(string name)
    {
        LockSettingRule rule = Rule(name);
        Assert.Equal(rule.Default, typeof(TaskLockAttribute).GetProperty(name)!.GetValue(new TaskLockAttribute("any")));
        Assert.Equal(rule.Default, typeof(JobLockingOptions).GetProperty(name)!.GetValue(new JobLockingOptions()));
        if (typeof(TaskLockOptions).GetProperty(name)?.GetValue(new TaskLockOptions()) is { } byHand)
        {
            Assert.Equal(rule.Default, byHand is TimeSpan time ? (int)time.TotalSeconds : byHand);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Attribute_and_options_document_the_range_of_the_table(string name)
    {
        Assert.Equal(Rule(name).Range, DocumentedRange(typeof(TaskLockAttribute), name));
        Assert.Equal(Rule(name).Range, DocumentedRange(typeof(JobLockingOptions), name));
    }

    [Fact]
    public void The_limit_of_a_lock_taken_by_hand_has_the_range_of_the_table() =>
        Assert.Equal(Rule(nameof(LockSettings.Limit)).Range, DocumentedRange(typeof(TaskLockOptions), nameof(TaskLockOptions.Limit)));

    [Theory]
    [MemberData(nameof(Names))]
    public void Configuration_sets_the_default_of_all_locks_and_the_value_of_one(string name)
    {
        LockSettingRule rule = Rule(name);
        JobLockingOptions options = new();
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            [$"JobLocking:{name}"] = $"{rule.Default}",
            ["JobLocking:Locks:any:Name"] = "any",
            [$"JobLocking:Locks:any:{name}"] = $"{rule.Default}",
        }).Build();
        LockConfigurationReader.Read(configuration, options);
        Assert.Empty(options.Problems);
        Assert.Equal(rule.Default, rule.ValueIn(options.Defaults));
        Assert.Equal(rule.Default, rule.ValueIn(Assert.Single(options.Overrides).Settings));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_stronger_layer_wins_and_an_unset_one_does_not(string name)
    {
        LockSettingRule rule = Rule(name);
        LockSettings silent = new();
        Assert.Equal(rule.Default, rule.ValueIn(silent.Over(LockSettings.BuiltIn)));

        object other = rule.Default switch { int number => number + 1, bool flag => !flag, _ => Enum.ToObject(rule.Default.GetType(), 2) };
        LockSettings stronger = new();
        rule.Set(stronger, other);
        Assert.Equal(other, rule.ValueIn(stronger.Over(LockSettings.BuiltIn)));
    }

    [Fact]
    public void The_numbers_in_a_range_are_those_that_are_accepted()
    {
        List<string> wrong = [];
        foreach (LockSettingRule rule in LockSettingRules.All.Where(rule => rule.Default is int))
        {
            if (NumericRange().Match(rule.Range) is { Success: true } range)
            {
                int least = range.Groups["least"] is { Success: true, Value: var from } ? int.Parse(from) : 0;
                wrong.AddRange(Refused(rule, least).Select(value => $"{rule.Name} {value} is refused"));
                wrong.AddRange(Accepted(rule, least - 1).Select(value => $"{rule.Name} {value} is accepted"));
                if (range.Groups["most"] is { Success: true, Value: var to })
                {
                    wrong.AddRange(Refused(rule, int.Parse(to)).Select(value => $"{rule.Name} {value} is refused"));
                    wrong.AddRange(Accepted(rule, int.Parse(to) + 1).Select(value => $"{rule.Name} {value} is accepted"));
                }
            }
        }

        Assert.Empty(wrong);
    }

    private static IEnumerable<int> Refused(LockSettingRule rule, int value) => rule.Problem(With(rule, value)) is null ? [] : [value];

    private static IEnumerable<int> Accepted(LockSettingRule rule, int value) => rule.Problem(With(rule, value)) is null ? [value] : [];

    private static LockSettings With(LockSettingRule rule, int value)
    {
        LockSettings settings = new();
        rule.Set(settings, value);
        return settings.Over(LockSettings.BuiltIn);
    }

    private static LockSettingRule Rule(string name) => LockSettingRules.All.Single(rule => rule.Name == name);

    private static PropertyInfo[] Properties(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly);

    /// <summary>The text of the value tag of a property, in which a reference is the name of what it refers to.</summary>
    private static string DocumentedRange(Type type, string property)
    {
        XElement value = Documentation.Descendants("member").Single(m => (string?)m.Attribute("name") == $"P:{type.FullName}.{property}").Element("value")!;
        string text = string.Concat(value.Nodes().Select(node => node is XElement reference
            ? ((string)reference.Attribute("cref")!)[2..].Replace($"{type.FullName}.", "").Replace("JobLocking.", "")
            : $"{node}"));
        return Whitespace().Replace(text, " ").Trim();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();

    // "from 1 to 1000", "at most 3600", "at least 1", "Default 0: none"; not "at most Expire".
    [GeneratedRegex(@"from (?<least>\d+) to (?<most>\d+)|at most (?<most>\d+)|at least (?<least>\d+)|Default (?<least>0):")]
    private static partial Regex NumericRange();
}
