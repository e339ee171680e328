using System.Collections.Concurrent;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>
/// The types for which a scheduler has several jobs with generated keys, so that the type does not identify the job. For jobs that are
/// added later, this is known from the first firing of the second job on. Only jobs whose firings may be occurrences count: those of a job
/// that runs once, now, are told from those of others by their time.
/// </summary>
internal sealed class AmbiguousJobTypes
{
    private readonly ConcurrentDictionary<Type, bool> _types = [];
    private readonly ConcurrentDictionary<Type, JobKey> _first = [];

    public void Add(Type type) => _types.TryAdd(type, true);

    /// <summary>A trigger of a schedule fires a job. The job may have been added while the scheduler runs.</summary>
    public async ValueTask SawAsync(Type? type, JobKey job, ITrigger trigger, bool always, IScheduler scheduler)
    {
        if (type is null || Contains(type) || !JobName.IsGenerated(job) || !Counts(trigger, always))
        {
            return;
        }

        JobKey first = _first.GetOrAdd(type, job);
        if (first.Equals(job))
        {
            return;
        }

        // A job that is scheduled again without a name gets another key.
        if (await scheduler.Exists(first, CancellationToken.None).ConfigureAwait(false) || !_first.TryUpdate(type, job, first))
        {
            Add(type);
        }
    }

    /// <summary>Whether a trigger makes its job count.</summary>
    /// <param name="trigger">The trigger.</param>
    /// <param name="always">Whether the one fire time of a trigger that fires once is an occurrence, too.</param>
    public static bool Counts(ITrigger trigger, bool always) =>
        trigger is not ISimpleTrigger { RepeatCount: 0 } || (always && !OccurrenceRule.HasFraction(trigger.StartTimeUtc));

    public bool Contains(Type? type) => type is not null && _types.ContainsKey(type);

    /// <summary>Whether the type identifies a job, as far as is known: no other job of the type counts.</summary>
    public bool Identifies(Type? type, JobKey job) =>
        type is not null && !Contains(type) && (!_first.TryGetValue(type, out JobKey? first) || first.Equals(job));
}
