using System.Globalization;
using JobLocking.Stores;

namespace JobLocking.Simulation.Network;

/// <summary>Short names for random ids, numbered in the order in which they appear, so that the trace of a seed is always the same.</summary>
internal sealed class TraceNames
{
    private readonly Dictionary<string, string> _leases = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _waiters = new(StringComparer.Ordinal);

    public static string Occurrence(LockOccurrence occurrence) =>
        string.Create(CultureInfo.InvariantCulture, $"{occurrence.Job}@{occurrence.ScheduledTime:HH:mm:ss}");

    public string Lease(string id) => Of(_leases, id, 'L');

    public string Waiter(string? id) => id is null ? "-" : Of(_waiters, id, 'W');

    private static string Of(Dictionary<string, string> names, string id, char kind)
    {
        if (!names.TryGetValue(id, out string? name))
        {
            names.Add(id, name = string.Create(CultureInfo.InvariantCulture, $"{kind}{names.Count + 1}"));
        }

        return name;
    }
}
