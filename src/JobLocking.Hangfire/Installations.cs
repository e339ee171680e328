using System.Collections.Concurrent;
using Hangfire;
using JobLocking.Engine;

namespace JobLocking.Hangfire;

/// <summary>
/// The installation of Hangfire that a server of this host belongs to. All servers of one storage are one installation, and a host with
/// a single storage is the same installation as the other nodes of its application. Only a host that runs servers on several storages,
/// for example one for each tenant, has several, which differ by the names of their servers.
/// </summary>
/// <remarks>
/// The servers must be known before the first job asks for its lock. Otherwise two nodes, each of which has seen only the storage of
/// another tenant, would treat the jobs of both tenants as the same. So the start of the host adds its servers. A server that the user's
/// code starts is known from its first job on.
/// </remarks>
internal sealed class Installations(LockEngine engine)
{
    private readonly Lock _gate = new();

    // The name of the servers of a storage; the first in order if they have several, since any of them may run a job.
    private readonly Dictionary<JobStorage, string> _names = new(ReferenceEqualityComparer.Instance);
    private readonly ConcurrentDictionary<(JobStorage Storage, string? Server), bool> _met = [];
    private volatile bool _hasSeveral;

    /// <summary>Adds a server of the host.</summary>
    /// <param name="storage">Its storage.</param>
    /// <param name="server">Its name; null for the one that Hangfire gives.</param>
    public void Add(JobStorage storage, string? server)
    {
        lock (_gate)
        {
            string name = NameOf(server);
            string known = _names.GetValueOrDefault(storage, "");
            _names[storage] = known.Length == 0 || (name.Length > 0 && string.CompareOrdinal(name, known) < 0) ? name : known;
            _hasSeveral = _names.Count > 1;
        }
    }

    /// <param name="storage">The storage of an execution; null if Hangfire does not say.</param>
    /// <param name="serverId">The id of the server that runs it, as Hangfire created it.</param>
    /// <returns>Empty where there is only one; null where there are several, and the names of the servers do not tell them apart.</returns>
    public string? NameOf(JobStorage? storage, string? serverId)
    {
        if (storage is null)
        {
            return null;
        }

        if (_met.TryAdd((storage, serverId), true))
        {
            Add(storage, NameFrom(serverId));
        }

        if (!_hasSeveral)
        {
            return "";
        }

        lock (_gate)
        {
            return _names.GetValueOrDefault(storage) is { Length: > 0 } name && _names.Values.Count(other => other == name) == 1
                ? name
                : null;
        }
    }

    /// <summary>A name without the node; empty if nothing is left, as it is for the name that Hangfire generates.</summary>
    private string NameOf(string? server)
    {
        string given = (server ?? "").ToLowerInvariant();
        bool isDefault = given.Length == 0 || string.Equals(given, DefaultName(), StringComparison.OrdinalIgnoreCase);
        string name = isDefault ? "" : engine.WithoutNode(given);
        return name.Any(char.IsLetterOrDigit) ? name : "";
    }

    /// <summary>Hangfire turns a name into <c>name:process id:guid</c>.</summary>
    public static string? NameFrom(string? serverId) =>
        (serverId ?? "").Split(':') is { Length: > 2 } parts ? string.Join(':', parts[..^2]) : null;

    private static string DefaultName() =>
        Environment.GetEnvironmentVariable("COMPUTERNAME") ?? Environment.GetEnvironmentVariable("HOSTNAME") ?? Environment.MachineName;
}
