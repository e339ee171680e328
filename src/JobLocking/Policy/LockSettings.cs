using System.Globalization;

namespace JobLocking.Policy;

/// <summary>
/// What one layer says about a lock; null where it says nothing. Layers, from weak to strong: the built-in defaults, the options
/// (<c>JobLocking:Expire</c> in configuration, then code), the attribute or <c>ForJob</c>, the entry of the lock in configuration.
/// </summary>
internal sealed record LockSettings
{
    private static readonly string[] AlwaysShown = [nameof(Expire), nameof(OnConflict)];

    /// <summary>The weakest layer, which has a value for every setting.</summary>
    public static readonly LockSettings BuiltIn = Of(rule => rule.Default);

    public int? Expire { get; set; }

    public int? MaxHold { get; set; }

    public int? MinHold { get; set; }

    public int? Limit { get; set; }

    public LockConflict? OnConflict { get; set; }

    public int? Wait { get; set; }

    public int? DeferBy { get; set; }

    public int? GiveUpAfter { get; set; }

    public OncePerOccurrence? OncePerOccurrence { get; set; }

    public LockUnavailable? OnUnavailable { get; set; }

    /// <summary>These settings, and where they say nothing those of <paramref name="weaker"/>.</summary>
    public LockSettings Over(LockSettings weaker) => Of(rule => rule.ValueIn(this) ?? rule.ValueIn(weaker));

    /// <summary>The settings as people read them: those that always matter, and those that differ from the built-in defaults.</summary>
    public string Describe() => string.Join(
        ", ",
        from rule in LockSettingRules.All
        let value = rule.ValueIn(this)
        where AlwaysShown.Contains(rule.Name) || !Equals(value, rule.Default)
        select string.Create(CultureInfo.InvariantCulture, $"{rule.Name} = {value}"));

    private static LockSettings Of(Func<LockSettingRule, object?> valueOf)
    {
        LockSettings settings = new();
        foreach (LockSettingRule rule in LockSettingRules.All)
        {
            rule.Set(settings, valueOf(rule));
        }

        return settings;
    }
}
