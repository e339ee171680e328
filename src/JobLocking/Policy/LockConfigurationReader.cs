using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace JobLocking.Policy;

/// <summary>
/// Reads the section <c>JobLocking</c>. It does not use a configuration binder, because a binder ignores unknown keys, or its error
/// names neither the lock nor the fix.
/// </summary>
internal static class LockConfigurationReader
{
    private const string Locks = "Locks";

    private const string Name = "Name";

    private const string Example = "\"Locks\": { \"nightly\": { \"Name\": \"nightly-report\", \"Expire\": 300 } }";

    private static readonly Dictionary<string, LockSettingRule> Settings =
        LockSettingRules.All.ToDictionary(rule => rule.Name, StringComparer.OrdinalIgnoreCase);

    private static readonly Dictionary<string, Func<JobLockingOptions, string, bool>> OfProcess = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(JobLockingOptions.NodeName)] = (o, v) => Set(() => o.NodeName = v),
        [nameof(JobLockingOptions.ApplicationName)] = (o, v) => Set(() => o.ApplicationName = v),
        [nameof(JobLockingOptions.OccurrenceRetention)] = (o, v) => Number(v, n => o.OccurrenceRetention = n),
    };

    public static void Read(IConfiguration configuration, JobLockingOptions options)
    {
        IConfigurationProvider[] sources = [.. (configuration as IConfigurationRoot)?.Providers ?? []];
        IConfigurationSection section = configuration.GetSection(JobLockingOptions.Section);
        foreach (IConfigurationSection entry in section.GetChildren())
        {
            if (entry.Key.Equals(Locks, StringComparison.OrdinalIgnoreCase))
            {
                ReadLocks(entry, sources, options);
            }
            else if (OfProcess.TryGetValue(entry.Key, out Func<JobLockingOptions, string, bool>? set))
            {
                Apply(entry, value => set(options, value), options.Problems);
            }
            else
            {
                ReadProperty(entry, options.Defaults, [.. OfProcess.Keys, .. Settings.Keys, Locks], options.Problems);
            }
        }
    }

    private static void ReadLocks(IConfigurationSection locks, IConfigurationProvider[] sources, JobLockingOptions options)
    {
        if (!string.IsNullOrEmpty(locks.Value))
        {
            options.Problems.Add($"Configuration {locks.Path} is '{locks.Value}', but must be a map or a list of locks. Fix: {Example}.");
        }

        foreach (IConfigurationSection entry in locks.GetChildren())
        {
            LockSettings settings = new();
            List<string> texts = [];
            foreach (IConfigurationSection property in entry.GetChildren())
            {
                if (!property.Key.Equals(Name, StringComparison.OrdinalIgnoreCase))
                {
                    ReadProperty(property, settings, [Name, .. Settings.Keys], options.Problems);
                    texts.Add($"{property.Key} = {property.Value}");
                }
            }

            if (entry[Name] is { Length: > 0 } name)
            {
                options.Overrides.Add(new LockOverride(entry.Path, name, settings, string.Join(", ", texts)));
                RefuseTwoLocks(entry, sources, options.Problems);
            }
            else
            {
                options.Problems.Add(
                    $"Configuration {entry.Path} has no Name. "
                    + $"Fix: give each lock a key without ':', and set Name to its template: {Example}.");
            }
        }
    }

    /// <summary>
    /// The entries of two sources at one position of a list are merged, and neither is wrong alone: one lock loses its settings, the other
    /// lock gets them. Only the sources show it, not the merged configuration.
    /// </summary>
    private static void RefuseTwoLocks(IConfigurationSection entry, IConfigurationProvider[] sources, List<string> problems)
    {
        string path = ConfigurationPath.Combine(entry.Path, Name);
        Dictionary<string, IConfigurationProvider> sourceOf = new(StringComparer.Ordinal);
        foreach (IConfigurationProvider source in sources)
        {
            if (source.TryGet(path, out string? name) && !string.IsNullOrEmpty(name))
            {
                sourceOf[name] = source;
            }
        }

        if (sourceOf.Count > 1)
        {
            string locks = string.Join(", ", sourceOf.Select(named => $"'{named.Key}' in {named.Value}"));
            problems.Add(
                $"Configuration {entry.Path} names different locks, which would share their settings: {locks}. "
                + "Layered sources merge a list by position. "
                + $"Fix: in all sources, write the locks as a map with a key for each lock: {Example}.");
        }
    }

    private static void ReadProperty(IConfigurationSection property, LockSettings settings, string[] known, List<string> problems)
    {
        if (Settings.TryGetValue(property.Key, out LockSettingRule? rule))
        {
            Apply(property, value => rule.TrySet(settings, value), problems, rule.Wording);
        }
        else
        {
            problems.Add($"Configuration {property.Path}: '{property.Key}' is not a property of a lock. "
                + $"Fix: use one of {string.Join(", ", known)}.");
        }
    }

    private static void Apply(IConfigurationSection property, Func<string, bool> set, List<string> problems, string? wording = null)
    {
        if (property.Value is not { Length: > 0 } value || !set(value))
        {
            problems.Add($"Configuration {property.Path} is '{property.Value}', which is not a valid value for {property.Key}. "
                + $"Fix: {wording ?? "write times as whole seconds (300), a limit as a whole number (3), and names as in code (Defer)"}.");
        }
    }

    private static bool Number(string value, Action<int> set) =>
        int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && Set(() => set(number));

    private static bool Set(Action set)
    {
        set();
        return true;
    }
}
