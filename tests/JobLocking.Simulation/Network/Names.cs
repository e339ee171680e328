using System.Globalization;
using JobLocking.Stores;

namespace JobLocking.Simulation.Network;

/// <summary>Short names for ids that are made new in each run, in the order in which they are seen first.</summary>
internal sealed class Names
{
    private readonly Dictionary<string, string> _leases = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _places = new(StringComparer.Ordinal);

    public static string Occurrence(LockOccurrence occurrence) =>
        string.Create(CultureInfo.InvariantCulture, $"{occurrence.Job}@{occurrence.ScheduledTime:HH:mm:ss}");

    public string Lease(string id) => Of(_leases, id, 'L');

    public string Place(string? id) => id is null ? "-" : Of(_places, id, 'P');

    private static string Of(Dictionary<string, string> names, string id, char kind)
    {
        if (!names.TryGetValue(id, out string? name))
        {
            names.Add(id, name = string.Create(CultureInfo.InvariantCulture, $"{kind}{names.Count + 1}"));
        }

        return name;
    }
}
