using System.Collections.Concurrent;

namespace JobLocking.Quartz.Firings;

/// <summary>
/// The types of which a scheduler has, at start, more than one job whose key was generated: there the type does not say
/// which job is meant. Whoever adds jobs later gives them keys.
/// </summary>
internal sealed class SharedTypes
{
    private readonly ConcurrentDictionary<Type, bool> _types = [];

    public void Add(Type type) => _types.TryAdd(type, true);

    public bool Contains(Type? type) => type is not null && _types.ContainsKey(type);
}
