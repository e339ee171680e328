using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using Hangfire;
using JobLocking.Engine;
using Microsoft.Extensions.Hosting;

namespace JobLocking.Hangfire;

/// <summary>
/// Which Hangfire a server of this host belongs to. All servers of one storage are one installation, and a host with a single
/// storage is the same installation as any other node of its application. Only a host that runs servers on several storages, one
/// for each tenant, tells them apart, by the names of the servers.
/// </summary>
/// <remarks>
/// It has to be known before the first job asks for its lock: two nodes of two tenants, each of which has met one storage only,
/// would take the work of one tenant for that of the other. So the servers are read from the hosted services of the host, which
/// must not be resolved again: Hangfire registers them as transient, and a new one may start a server. Servers that were
/// started by hand are known from their first job on.
/// </remarks>
internal sealed class Installations
{
    private const string HostedServer = "Hangfire.BackgroundJobServerHostedService";

    private static readonly ConditionalWeakTable<LockEngine, Installations> OfHosts = [];

    private readonly IServiceProvider? _services;
    private readonly LockEngine _engine;
    private readonly Lock _gate = new();

    // The name of a storage's servers; the first of several, since any of them may take a job.
    private readonly Dictionary<JobStorage, string> _names = new(ReferenceEqualityComparer.Instance);
    private readonly ConcurrentDictionary<(JobStorage Storage, string? Server), bool> _met = [];
    private bool _isHostRead;
    private volatile bool _hasSeveral;

    private Installations(IServiceProvider? services, LockEngine engine)
    {
        _services = services;
        _engine = engine;
        _isHostRead = services is null;
    }

    /// <summary>The installations of a host, one list for all its filters.</summary>
    public static Installations Of(LockEngine engine, IServiceProvider? services) =>
        OfHosts.GetValue(engine, key => new Installations(services, key));

    /// <param name="storage">The storage of an execution; null if Hangfire does not say.</param>
    /// <param name="serverId">The server that runs it, as Hangfire made its id.</param>
    /// <returns>Empty where there is only one; null where there are several, and the names of the servers do not tell them apart.</returns>
    public string? NameOf(JobStorage? storage, string? serverId)
    {
        if (storage is null)
        {
            return null;
        }

        if (!_isHostRead || !_met.ContainsKey((storage, serverId)))
        {
            lock (_gate)
            {
                ReadHost();
                if (_met.TryAdd((storage, serverId), true))
                {
                    Meet(storage, NameFrom(serverId));
                }
            }
        }

        if (!_hasSeveral)
        {
            return "";
        }

        lock (_gate)
        {
            string name = _names[storage];
            return name.Length > 0 && _names.Values.Count(other => other == name) == 1 ? name : null;
        }
    }

    private void Meet(JobStorage storage, string name)
    {
        string known = _names.GetValueOrDefault(storage, "");
        _names[storage] = known.Length == 0 || (name.Length > 0 && string.CompareOrdinal(name, known) < 0) ? name : known;

        _hasSeveral = _names.Count > 1;
    }

    /// <summary>A name without the node; empty if nothing is left, as of the name that Hangfire gives by itself.</summary>
    private string NameOf(string? server)
    {
        string given = (server ?? "").ToLowerInvariant();
        bool isDefault = given.Length == 0 || string.Equals(given, DefaultName(), StringComparison.OrdinalIgnoreCase);
        string name = isDefault ? "" : _engine.WithoutNode(given);
        return name.Any(char.IsLetterOrDigit) ? name : "";
    }

    /// <summary>Hangfire makes <c>name:process id:guid</c> of a name.</summary>
    private string NameFrom(string? serverId)
    {
        string[] parts = (serverId ?? "").Split(':');
        return parts.Length > 2 ? NameOf(string.Join(':', parts[..^2])) : "";
    }

    private static string DefaultName() =>
        Environment.GetEnvironmentVariable("COMPUTERNAME") ?? Environment.GetEnvironmentVariable("HOSTNAME") ?? Environment.MachineName;

    /// <summary>Until the host has made its services there is nothing to be read, and no server but one that was started by hand.</summary>
    private void ReadHost()
    {
        if (_isHostRead)
        {
            return;
        }

        try
        {
            if (_services!.GetService(typeof(IHost)) is not { } host)
            {
                _isHostRead = true;
            }
            else
            {
                foreach (IHostedService service in FieldsOf<IEnumerable<IHostedService>>(host, host.GetType()).SelectMany(hosted => hosted))
                {
                    ReadServer(service);
                    _isHostRead = true;
                }
            }
        }
        catch (Exception)
        {
            _isHostRead = true; // Its services are disposed of, or it is a host of another make.
        }
    }

    private void ReadServer(IHostedService service)
    {
        for (Type? type = service.GetType(); type is not null; type = type.BaseType)
        {
            if (type.FullName == HostedServer
                && FieldsOf<JobStorage>(service, type).FirstOrDefault() is { } storage
                && FieldsOf<BackgroundJobServerOptions>(service, type).FirstOrDefault() is { } options)
            {
                Meet(storage, NameOf(options.ServerName));
            }
        }
    }

    /// <summary>By their type, which is less likely to change than a name.</summary>
    private static IEnumerable<T> FieldsOf<T>(object instance, Type type) =>
        type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            .Where(field => typeof(T).IsAssignableFrom(field.FieldType))
            .Select(field => field.GetValue(instance))
            .OfType<T>();
}
