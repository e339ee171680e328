using System.Globalization;
using System.Reflection;

namespace JobLocking.Policy;

/// <summary>The settings of a lock as people read them: those that always matter, and those that are not built in.</summary>
internal static class SettingsText
{
    private static readonly string[] Always = [nameof(LockSettings.Expire), nameof(LockSettings.OnConflict)];

    public static string Of(LockSettings settings) => string.Join(
        ", ",
        from property in typeof(LockSettings).GetProperties(BindingFlags.Public | BindingFlags.Instance)
        let value = property.GetValue(settings)
        where Always.Contains(property.Name) || !Equals(value, property.GetValue(LockSettings.BuiltIn))
        select string.Create(CultureInfo.InvariantCulture, $"{property.Name} = {value}"));
}
