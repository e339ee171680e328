using System.Collections.Concurrent;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The types for which a scheduler has several jobs with generated keys, so that the type does not identify the job. For jobs that are
/// added later, this is known from the first firing of the second job on.
/// </summary>
internal sealed class AmbiguousJobTypes
{
    private readonly ConcurrentDictionary<Type, bool> _types = [];
    private readonly ConcurrentDictionary<Type, JobKey> _first = [];

    public void Add(Type type) => _types.TryAdd(type, true);

    /// <summary>A job fires. It may have been added while the scheduler runs.</summary>
    public void Saw(Type? type, JobKey job)
    {
        if (type is not null && JobName.IsGenerated(job) && !_first.GetOrAdd(type, job).Equals(job))
        {
            Add(type);
        }
    }

    public bool Contains(Type? type) => type is not null && _types.ContainsKey(type);
}
