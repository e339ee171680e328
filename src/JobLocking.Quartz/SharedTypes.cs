using System.Collections.Concurrent;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The types of which a scheduler has more than one job whose key was generated: there the type does not say which job is meant.
/// Those of jobs that are added later are known from the first firing of the second one on.
/// </summary>
internal sealed class SharedTypes
{
    private readonly ConcurrentDictionary<Type, bool> _types = [];
    private readonly ConcurrentDictionary<Type, JobKey> _first = [];

    public void Add(Type type) => _types.TryAdd(type, true);

    /// <summary>A job fires: it may have been added while the scheduler runs.</summary>
    public void Saw(Type? type, JobKey job)
    {
        if (type is not null && JobIdentity.IsGenerated(job) && !_first.GetOrAdd(type, job).Equals(job))
        {
            Add(type);
        }
    }

    public bool Contains(Type? type) => type is not null && _types.ContainsKey(type);
}
