using System.Collections.Concurrent;
using System.Collections.ObjectModel;
using JobLocking.Policy;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace JobLocking.Engine;

/// <summary>
/// The adapters of one host. An adapter adds itself, so that the start of the host notices a missing one; core does not reference any
/// scheduler.
/// </summary>
public sealed class LockAdapters : IDisposable
{
    private readonly IServiceCollection _registrations;
    private readonly Lock _adding = new();
    private readonly List<ILockAdapter> _adapters = [];
    private readonly ConcurrentDictionary<(string Template, string Job), ConcurrentDictionary<string, LockUse>> _uses = [];

    internal LockAdapters(IServiceCollection registrations) => _registrations = registrations;

    /// <summary>The registrations of the hosted services of the host, including the servers of its schedulers.</summary>
    public IEnumerable<ServiceDescriptor> HostedServices =>
        _registrations.Where(s => s.ServiceType == typeof(IHostedService) && !s.IsKeyedService);

    internal IReadOnlyList<ILockAdapter> All
    {
        get
        {
            lock (_adding)
            {
                return [.. _adapters];
            }
        }
    }

    /// <summary>The adapter of this type; it is created and added if there is none yet.</summary>
    /// <typeparam name="T">The type of the adapter.</typeparam>
    /// <param name="create">Creates the adapter.</param>
    public T GetOrAdd<T>(Func<T> create)
        where T : class, ILockAdapter
    {
        ArgumentNullException.ThrowIfNull(create);
        lock (_adding)
        {
            if (_adapters.OfType<T>().FirstOrDefault() is { } added)
            {
                return added;
            }

            T adapter = create();
            _adapters.Add(adapter);
            return adapter;
        }
    }

    /// <summary>A scheduler has a job with this lock.</summary>
    /// <param name="policy">The lock.</param>
    /// <param name="scheduler">The scheduler: <c>Quartz/reports</c>.</param>
    /// <param name="remark">What the line of the lock at start says about it; null for nothing.</param>
    public void Use(LockPolicy policy, string scheduler, string? remark = null)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ConcurrentDictionary<string, LockUse> uses = _uses.GetOrAdd((policy.Template, policy.Job), _ => new(StringComparer.Ordinal));
        uses.AddOrUpdate(
            scheduler, _ => new LockUse(policy, remark), (_, before) => before with { Remark = before.Remark ?? remark });
    }

    /// <summary>The known schedulers that have a job with this lock.</summary>
    internal IEnumerable<string> SchedulersOf(LockPolicy policy) => UsesOf(policy).Keys.Order(StringComparer.Ordinal);

    /// <summary>What these schedulers say about the lock.</summary>
    internal IEnumerable<string> RemarksOn(LockPolicy policy) =>
        UsesOf(policy).Values.Select(use => use.Remark).OfType<string>().Order(StringComparer.Ordinal);

    /// <summary>The locks that schedulers use, also those that were given to one job of one scheduler.</summary>
    internal IEnumerable<LockPolicy> Used => _uses.Values.Select(schedulers => schedulers.Values.First().Policy);

    private IReadOnlyDictionary<string, LockUse> UsesOf(LockPolicy policy) =>
        _uses.TryGetValue((policy.Template, policy.Job), out ConcurrentDictionary<string, LockUse>? uses)
            ? uses
            : ReadOnlyDictionary<string, LockUse>.Empty;

    /// <summary>How often a service of this name is registered; its type is not referenced here.</summary>
    internal int Count(string serviceType) => _registrations.Count(s => s.ServiceType.FullName == serviceType);

    /// <summary>The names of the types of the hosted services, and of their base types.</summary>
    internal IEnumerable<string> HostedTypes() =>
        from service in HostedServices
        from type in OpenGenericTypes.Bases(ServiceImplementations.CreatedBy(service) ?? typeof(object))
        select type.FullName;

    private sealed record LockUse(LockPolicy Policy, string? Remark);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ILockAdapter adapter in All)
        {
            adapter.End();
        }
    }
}
