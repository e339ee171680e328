using System.Globalization;
using System.Reflection;

namespace JobLocking.Policy;

/// <summary>One setting of a lock: a row of <see cref="LockSettingRules"/>.</summary>
/// <param name="Name">The property of <see cref="LockSettings"/>, the attribute and the options, and the key in configuration.</param>
/// <param name="Unit">What its number counts; empty where it is no number.</param>
/// <param name="Default">The built-in default. Its type is the type of the setting.</param>
/// <param name="Range">The default and the allowed values, as the documentation words them.</param>
/// <param name="Checks">What the merged settings of a lock must not be; the first that applies is reported.</param>
internal sealed record LockSettingRule(string Name, string Unit, object Default, string Range, IReadOnlyList<LockSettingCheck> Checks)
{
    private readonly PropertyInfo _property = typeof(LockSettings).GetProperty(Name)!;

    /// <summary>
    /// What to write in configuration in place of a text that is no value; null where what holds for all settings says enough.
    /// </summary>
    public string? Wording { get; init; }

    public object? ValueIn(LockSettings settings) => _property.GetValue(settings);

    public void Set(LockSettings settings, object? value) => _property.SetValue(settings, value);

    /// <summary>What is wrong with this setting of a lock; null if nothing is.</summary>
    public string? Problem(LockSettings settings) =>
        Checks.FirstOrDefault(check => check.IsWrong(settings)) is { } failed
            ? $"{FormattableString.Invariant(failed.Complaint(settings))}. Fix: {failed.Fix}."
            : null;

    /// <summary>Sets the value that a text of the configuration stands for; false if it is not a value of this setting.</summary>
    public bool TrySet(LockSettings settings, string text)
    {
        object? value = Default switch
        {
            int => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) ? number : null,
            _ => Named(Default.GetType(), text),
        };
        if (value is null)
        {
            return false;
        }

        Set(settings, value);
        return true;
    }

    // Not only Enum.Parse, which accepts numbers, and adds up names between commas: "Skip, Defer" would be Fail.
    private static object? Named(Type type, string text) =>
        Array.Find(Enum.GetNames(type), name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } known
            ? Enum.Parse(type, known)
            : null;
}

/// <summary>One thing that the settings of a lock must not be.</summary>
/// <param name="IsWrong">Whether it applies to the merged settings.</param>
/// <param name="Complaint">The property, its value and what it must be.</param>
/// <param name="Fix">What to do.</param>
internal sealed record LockSettingCheck(Func<LockSettings, bool> IsWrong, Func<LockSettings, FormattableString> Complaint, string Fix);
