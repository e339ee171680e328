namespace JobLocking.Policy;

/// <summary>The lock of one job: declaration, configuration and defaults, merged and checked.</summary>
public sealed class LockPolicy
{
    private readonly NameTemplate _template;
    private readonly LockSettings _settings;

    internal LockPolicy(string job, NameTemplate template, LockSettings settings, TimeSpan occurrenceRetention)
    {
        Job = job;
        _template = template;
        _settings = settings;
        Expire = TimeSpan.FromSeconds(settings.Expire!.Value);
        MaxHold = TimeSpan.FromSeconds(settings.MaxHold!.Value);
        MinHold = TimeSpan.FromSeconds(settings.MinHold!.Value);
        Limit = settings.Limit!.Value;
        OnConflict = settings.OnConflict!.Value;
        Wait = TimeSpan.FromSeconds(settings.Wait!.Value);
        DeferBy = TimeSpan.FromSeconds(settings.DeferBy!.Value);
        GiveUpAfter = TimeSpan.FromSeconds(settings.GiveUpAfter!.Value);
        OncePerOccurrence = settings.OncePerOccurrence!.Value;
        OnUnavailable = settings.OnUnavailable!.Value;
        OccurrenceRetention = occurrenceRetention;
    }

    /// <summary>The job as messages name it.</summary>
    public string Job { get; }

    /// <summary>The template of the lock's name.</summary>
    public string Template => _template.Text;

    /// <summary>The placeholders of the template, in order.</summary>
    public IReadOnlyList<string> Placeholders => _template.Placeholders;

    /// <summary>Where each occurrence runs once over all nodes.</summary>
    public OncePerOccurrence OncePerOccurrence { get; }

    /// <summary>
    /// Whether each occurrence runs once over all nodes, as far as the lock and the scheduler's storage decide it. Where it is true, the
    /// adapter has to describe the occurrence of an execution whose schedule is the same on every node.
    /// </summary>
    /// <param name="isClustered">Whether the storage itself makes one execution of each fire time.</param>
    public bool RunsOccurrencesOnce(bool isClustered) => OncePerOccurrence switch
    {
        OncePerOccurrence.Always => true,
        OncePerOccurrence.Auto => Limit == 1 && OnUnavailable != LockUnavailable.Run && !isClustered,
        _ => false,
    };

    /// <summary>The longest time for which the mark of an occurrence is kept, unless the next fire time is later.</summary>
    public TimeSpan OccurrenceRetention { get; }

    /// <summary>
    /// Whether contention depends on the job of the holder, so that the adapter has to give the <c>LockExecution.Identity</c>.
    /// </summary>
    public bool ComparesJobs => OnConflict == LockConflict.Auto;

    /// <summary>
    /// Whether contention may skip a first attempt of this origin. A second attempt is never skipped: where this is true, an adapter must
    /// be able to tell it from the first, however the first one ended.
    /// </summary>
    /// <param name="first">Where the first attempt comes from: a recurring or a one-off job.</param>
    public bool MaySkip(ExecutionOrigin first) => OnConflict switch
    {
        LockConflict.Skip => first is ExecutionOrigin.Recurring or ExecutionOrigin.OneOff,
        LockConflict.Auto => first == ExecutionOrigin.Recurring,
        _ => false,
    };

    /// <summary>
    /// Whether schedulers that share no storage each run a recurring job once, one after the other. They do where the lock is free
    /// as soon as a run has ended.
    /// </summary>
    public bool RunsOncePerStorage => MinHold == TimeSpan.Zero && OnConflict != LockConflict.Fail;

    internal TimeSpan Expire { get; }

    internal TimeSpan MaxHold { get; }

    internal TimeSpan MinHold { get; }

    internal int Limit { get; }

    internal LockConflict OnConflict { get; }

    internal TimeSpan Wait { get; }

    internal TimeSpan DeferBy { get; }

    internal TimeSpan GiveUpAfter { get; }

    internal LockUnavailable OnUnavailable { get; }


    /// <summary>Its settings in readable form.</summary>
    internal string DescribeSettings() => _settings.Describe();

    /// <summary>
    /// The value of a public property, as a placeholder reads it: the property of the type itself, if it hides an inherited one.
    /// </summary>
    /// <param name="value">The object.</param>
    /// <param name="property">The name of the property.</param>
    /// <returns>Null if there is no such property.</returns>
    public static object? ReadProperty(object value, string property)
    {
        ArgumentNullException.ThrowIfNull(value);
        return NameTemplate.Property(value.GetType(), property)?.GetValue(value);
    }

    /// <summary>The name of the lock for one execution.</summary>
    /// <param name="valueOf">
    /// The value of a placeholder's root. For <c>{order.Id}</c> it is called with <c>order.Id</c> and, if that has no value, with
    /// <c>order</c>, whose public property <c>Id</c> is then read. Null where there is none.
    /// </param>
    /// <returns>The resolved name; different values never give the same.</returns>
    /// <exception cref="TaskLockException">
    /// A placeholder resolves to nothing or to something without a text of its own, or the name is too long.
    /// </exception>
    public string ResolveName(Func<string, object?> valueOf) => _template.Resolve(Job, valueOf);

    /// <summary>What types tell at start of placeholders like <c>{order.Id}</c>: a property that the type does not have.</summary>
    /// <param name="typeOf">The declared type of a placeholder's root, <c>order</c>; null if it is not known.</param>
    /// <returns>The problems, each with the lock, the job and the fix; empty if all is well.</returns>
    public IEnumerable<string> MissingProperties(Func<string, Type?> typeOf) =>
        _template.MissingProperties(typeOf).Select(problem => $"Lock '{Template}' of job {Job}: {problem}");
}
