namespace JobLocking.Policy;

/// <summary>
/// The one table of the settings of a lock. The built-in defaults, the merging of layers, the configuration reader and the checks work
/// from it; tests compare the attribute, the options and the documentation with it.
/// </summary>
internal static class LockSettingRules
{
    private const string Seconds = "seconds";

    private const string Executions = "executions";

    private const string NoUnit = "";

    private static readonly string OnConflicts = string.Join(", ", Enum.GetNames<LockConflict>());

    private static readonly string OncePerOccurrences = string.Join(", ", Enum.GetNames<OncePerOccurrence>());

    private static readonly string OnUnavailables = string.Join(", ", Enum.GetNames<LockUnavailable>());

    public static readonly IReadOnlyList<LockSettingRule> All =
    [
        new(nameof(LockSettings.Expire), Seconds, 60, "Default 60, from 1 to 604800 (7 days).",
            [
                new(s => s.Expire < 1,
                    s => $"Expire is {s.Expire}, but must be at least 1 second",
                    "set it to the time after which the lock is free after a crash, for example 60"),
                new(s => s.Expire > LeaseTerms.LongestExpiry.TotalSeconds,
                    s => $"Expire is {s.Expire}, but must be at most {LeaseTerms.LongestExpiry.TotalSeconds} seconds (7 days)",
                    "use seconds, not milliseconds; the lease of a longer job is renewed"),
            ]),

        new(nameof(LockSettings.MaxHold), Seconds, 0,
            "Default 0: no limit. Otherwise at least Expire. If it equals Expire, the lease is never renewed.",
            [
                new(s => s.MaxHold < 0 || (s.MaxHold > 0 && s.MaxHold < s.Expire),
                    s => $"MaxHold is {s.MaxHold}, but must be 0 (none) or at least Expire ({s.Expire})",
                    "raise MaxHold, lower Expire, or remove MaxHold"),
            ]),

        new(nameof(LockSettings.MinHold), Seconds, 0, "Default 0, at most Expire.",
            [
                new(s => s.MinHold < 0 || s.MinHold > Math.Max(s.Expire!.Value, 0),
                    s => $"MinHold is {s.MinHold}, but must be from 0 to Expire ({s.Expire})",
                    "lower MinHold or raise Expire"),
            ]),

        new(nameof(LockSettings.Limit), Executions, 1, "Default 1, from 1 to 1000.",
            [
                new(s => s.Limit is < 1 or > 1000,
                    s => $"Limit is {s.Limit}, but must be from 1 to 1000 executions at once",
                    "remove it to allow one at a time"),
            ]),

        new(nameof(LockSettings.OnConflict), NoUnit, LockConflict.Auto, "Default LockConflict.Auto.",
            [
                new(s => !Enum.IsDefined(s.OnConflict!.Value),
                    s => $"OnConflict is {s.OnConflict}, which is not one of {OnConflicts}",
                    "use one of them"),
            ]),

        new(nameof(LockSettings.Wait), Seconds, 0, "Default 0, at most 3600.",
            [
                new(s => s.Wait is < 0 or > 3600,
                    s => $"Wait is {s.Wait}, but must be from 0 to 3600 seconds, because a waiting execution occupies a worker",
                    "lower it, and use OnConflict = Defer for longer waits"),
            ]),

        new(nameof(LockSettings.DeferBy), Seconds, 15, "Default 15, at least 1.",
            [
                new(s => s.DeferBy < 1,
                    s => $"DeferBy is {s.DeferBy}, but must be at least 1 second",
                    "set it to the time that a deferred execution waits, for example 15"),
            ]),

        new(nameof(LockSettings.GiveUpAfter), Seconds, 0, "Default 0: never.",
            [
                new(s => s.GiveUpAfter < 0,
                    s => $"GiveUpAfter is {s.GiveUpAfter}, but must be 0 (never) or a number of seconds",
                    "remove it, or set it above DeferBy"),
                new(s => s.GiveUpAfter > 0 && s.GiveUpAfter < s.DeferBy,
                    s => $"GiveUpAfter is {s.GiveUpAfter}, less than DeferBy ({s.DeferBy}): it would give up before its first retry",
                    "raise GiveUpAfter or lower DeferBy"),
            ]),

        new(nameof(LockSettings.OncePerOccurrence), NoUnit, OncePerOccurrence.Auto, "Default OncePerOccurrence.Auto.",
            [
                new(s => !Enum.IsDefined(s.OncePerOccurrence!.Value),
                    s => $"OncePerOccurrence is {s.OncePerOccurrence}, which is not one of {OncePerOccurrences}",
                    "use one of them"),
                new(s => s is { OncePerOccurrence: OncePerOccurrence.Always, OnUnavailable: LockUnavailable.Run },
                    _ => $"OncePerOccurrence = Always and OnUnavailable = Run contradict each other: only the store knows what has run",
                    "use Defer or Fail, or remove OncePerOccurrence"),
            ])
        {
            Wording = "write Always instead of true, and Auto (the default) or Never instead of false",
        },

        new(nameof(LockSettings.OnUnavailable), NoUnit, LockUnavailable.Defer, "Default LockUnavailable.Defer.",
            [
                new(s => !Enum.IsDefined(s.OnUnavailable!.Value),
                    s => $"OnUnavailable is {s.OnUnavailable}, which is not one of {OnUnavailables}",
                    "use one of them"),
            ]),
    ];

    /// <summary>What is wrong with the merged settings of a lock, each with the property, the value and the fix.</summary>
    public static IEnumerable<string> Problems(LockSettings settings) => All.Select(rule => rule.Problem(settings)).OfType<string>();
}
