using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using JobLocking.Engine;
using JobLocking.Policy;

namespace JobLocking.Quartz;

/// <summary>The work that a deferral stands for, as the names of deferral triggers show it: deferrals of the same work coalesce.</summary>
/// <param name="Hash">Of the trigger or job, and the name of the lock.</param>
/// <param name="Occurrence">The fire time, where each occurrence has a deferral of its own; null where one stands for all.</param>
internal sealed record DeferredWork(string Hash, DateTimeOffset? Occurrence)
{
    /// <summary>Whether one deferral stands for all firings of a recurring trigger.</summary>
    public bool IsOfAll { get; private init; }

    /// <summary>What the names of all deferrals of the trigger and lock begin with.</summary>
    public string Prefix => $"{Hash}-";

    /// <summary>
    /// What the names of deferrals of the same work begin with. Those of a trigger are in the order of their occurrences.
    /// </summary>
    public string PrefixOfSame =>
        Occurrence is { } time ? string.Create(CultureInfo.InvariantCulture, $"{Prefix}{time.UtcTicks:D19}-") : Prefix;

    /// <summary>The work that this deferral shares with others; null if no other deferral stands for its work.</summary>
    public static DeferredWork? Of(Firing firing, LockExecution execution, LockDecision.Defer defer)
    {
        string trigger = $"{firing.Trigger.Group.Length}:{firing.Trigger}";
        bool isFirst = firing.Origin is ExecutionOrigin.Recurring or ExecutionOrigin.OneOff;
        return firing switch
        {
            // In case its runner dies, so another occurrence cannot stand for it.
            _ when isFirst && defer.StandsBy => Each($"stands by {trigger}"),
            { Origin: ExecutionOrigin.Recurring, Occurrence: not null }
                when execution.Policy.OncePerOccurrence == OncePerOccurrence.Always => Each($"each of {trigger}"),
            { Origin: ExecutionOrigin.Recurring } => new DeferredWork(HashOf($"all of {trigger}"), null) { IsOfAll = true },
            { Origin: ExecutionOrigin.OneOff, IsByHand: true } =>
                new DeferredWork(HashOf($"by hand {firing.Context.JobDetail.Key.Group.Length}:{firing.Context.JobDetail.Key}"), null),
            { Origin: ExecutionOrigin.OneOff, IgnoresMisfires: true } => Each($"each of {trigger}"),
            _ => null,
        };

        DeferredWork Each(string work) => new(HashOf(work), firing.ScheduledTime);

        string HashOf(string work) => Hashed($"{work} {execution.Name}");
    }

    /// <summary>What the name of a deferral begins with that shares its work with no other.</summary>
    public static string OfOne(Firing firing) =>
        $"{Hashed($"{firing.Trigger}@{firing.ScheduledTime:O}#{firing.Attempts} {firing.Context.FireInstanceId}")}-";

    private static string Hashed(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)).AsSpan(0, 16));
}
