using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace JobLocking.Policy;

/// <summary>Which job of this process has which lock: finds the declaration, merges the layers, checks and remembers the result.</summary>
public sealed class LockPolicies
{
    private readonly JobLockingOptions _options;
    private readonly LockDeclarations _declarations;
    private readonly ImplementationLocks _ofImplementations;
    private readonly bool _watchesAssemblies;
    private readonly ConcurrentDictionary<string, (int Limit, string Job)> _templates = new(StringComparer.Ordinal);

    // Replaced as a whole when assemblies were loaded, so that no result from before gets in.
    private volatile FoundPolicies _found;

    internal LockPolicies(IOptions<JobLockingOptions> options, IServiceCollection registrations)
        : this(options, registrations, null)
    {
    }

    internal LockPolicies(IOptions<JobLockingOptions> options, IReadOnlyList<Assembly> assemblies)
        : this(options, null, assemblies)
    {
    }

    private LockPolicies(IOptions<JobLockingOptions> options, IServiceCollection? registrations, IReadOnlyList<Assembly>? assemblies)
    {
        _options = options.Value;
        _declarations = new LockDeclarations(_options.Jobs);
        _ofImplementations = new ImplementationLocks(_declarations, new ServiceImplementations(registrations));
        if (assemblies is null)
        {
            _watchesAssemblies = true;
            LoadedAssemblies.LoadReferences();
        }

        int loads = LoadedAssemblies.Loads;
        _found = new FoundPolicies(loads, assemblies ?? LoadedAssemblies.ThatUseJobLocking());
    }

    /// <summary>The jobs that have a lock: in the assemblies that are loaded by now, and in code; for checks at start.</summary>
    /// <exception cref="TaskLockException">A lock is declared wrongly.</exception>
    public IEnumerable<LockedJob> Jobs => KnownJobs().Select(known =>
        new LockedJob(known.Type, known.Method, Find(known.Type, known.Method)!, IsForQuartz(known.Type, known.Method)));

    /// <summary>The methods that carry a lock of their own, in the assemblies of this process and in code; for checks at start.</summary>
    /// <exception cref="TaskLockException">A lock is declared wrongly.</exception>
    public IEnumerable<(MethodInfo Method, LockPolicy Policy)> Methods =>
        from job in Jobs
        where job.Method is not null
        select (job.Method, job.Policy);

    /// <summary>Overrides in configuration whose template no lock known so far has.</summary>
    internal IEnumerable<LockOverride> UnmatchedOverrides => _options.Overrides.Where(o => !_templates.ContainsKey(o.Template));

    /// <summary>Overrides in configuration that a lock known so far has.</summary>
    internal IEnumerable<LockOverride> AppliedOverrides => _options.Overrides.Where(o => _templates.ContainsKey(o.Template));

    /// <summary>The lock that is declared for a type, or one of its methods, itself.</summary>
    internal TaskLockAttribute? DeclaredLockOf(Type type, MethodInfo? method = null) => _declarations.Of(type, method);

    /// <summary>The lock of a job, or null if it has none.</summary>
    /// <param name="type">The job's type.</param>
    /// <param name="method">The method that will run, if the job is a method; its lock wins over the type's.</param>
    /// <exception cref="TaskLockException">The lock is declared wrongly.</exception>
    public LockPolicy? Find(Type type, MethodInfo? method)
    {
        ArgumentNullException.ThrowIfNull(type);
        FoundPolicies found = Current();
        return found.Policies.GetOrAdd(
            (type, method), static (job, from) => from.Self.FindNew(job.Item1, job.Item2, from.Found), (Self: this, Found: found));
    }

    /// <summary>The lock of a job that was given to it in code by the adapter's own means.</summary>
    /// <param name="taskLock">The lock.</param>
    /// <param name="job">The job as messages name it.</param>
    /// <exception cref="TaskLockException">The lock is declared wrongly.</exception>
    public LockPolicy Resolve(TaskLockAttribute taskLock, string job)
    {
        ArgumentNullException.ThrowIfNull(taskLock);

        List<string> problems = [];
        NameTemplate? template = NameTemplate.Parse(taskLock.Name, out string? nameProblem);
        if (nameProblem is not null)
        {
            problems.Add($"Name: {nameProblem}");
        }

        LockSettings settings = Merge(taskLock);
        problems.AddRange(LockSettingRules.Problems(settings));
        if (problems.Count > 0)
        {
            throw new TaskLockException(
                string.Join(Environment.NewLine, problems.Select(problem => $"Lock '{taskLock.Name}' of job {job}: {problem}")));
        }

        (int limit, string first) = _templates.GetOrAdd(taskLock.Name, (settings.Limit!.Value, job));
        if (limit != settings.Limit)
        {
            throw new TaskLockException(
                $"Lock '{taskLock.Name}' of job {job}: Limit is {settings.Limit}, but it is {limit} for job {first}; a lock has one limit. "
                + "Fix: use the same Limit for both, or set it once under JobLocking:Locks.");
        }

        return new LockPolicy(job, template!, settings, TimeSpan.FromSeconds(_options.OccurrenceRetention));
    }

    /// <summary>The layers, from strong to weak: the entry in configuration, the declaration, the options, the built-in defaults.</summary>
    private LockSettings Merge(TaskLockAttribute declared)
    {
        LockSettings ofJob = declared.Settings;
        if (ofJob.OncePerOccurrence == OncePerOccurrence.Auto && _options.Defaults.OncePerOccurrence == OncePerOccurrence.Never)
        {
            // Never in the options is the switch for all locks that do not say Always in code.
            ofJob = ofJob with { OncePerOccurrence = null };
        }

        LockSettings settings = ofJob.Over(_options.Defaults).Over(LockSettings.BuiltIn);
        foreach (LockOverride @override in _options.Overrides.Where(o => o.Template == declared.Name))
        {
            settings = @override.Settings.Over(settings);
        }

        return settings;
    }

    /// <summary>
    /// Everything that is wrong with what is known at start: options, configuration, declared locks. A host does not start if there are
    /// any; an adapter that may run without a host must refuse to be registered.
    /// </summary>
    /// <returns>The problems, each with the job or property, the value and the fix; empty if all is well.</returns>
    public IReadOnlyList<string> Problems() =>
        [.. _options.Problems, .. ProblemsOfProcess(), .. ProblemsOfOverrides(), .. ProblemsOfForJob(), .. ProblemsOfJobs()];

    private IEnumerable<string> ProblemsOfProcess()
    {
        if (_options.OccurrenceRetention < 60)
        {
            yield return Invariant($"OccurrenceRetention is {_options.OccurrenceRetention}, but must be at least 60 seconds. ")
                + "Fix: keep the default of one day, or set it above the longest delay of a firing.";
        }

        (string, string)[] names =
        [
            (nameof(_options.NodeName), _options.NodeName),
            (nameof(_options.ApplicationName), _options.ApplicationName),
        ];
        foreach ((string property, string value) in names)
        {
            if (string.IsNullOrWhiteSpace(value))
            {
                yield return $"{property} is empty, so the holder of a lock could not be identified. "
                    + "Fix: do not set it, or set it to a name.";
            }
        }
    }

    private IEnumerable<string> ProblemsOfOverrides() =>
        from sameLock in _options.Overrides.GroupBy(o => o.Template)
        where sameLock.Count() > 1
        let paths = string.Join(", ", sameLock.Select(o => o.Path))
        select $"Configuration has lock '{sameLock.Key}' more than once: {paths}. Fix: merge them.";

    private IEnumerable<string> ProblemsOfForJob()
    {
        IEnumerable<ForJobDeclaration[]> sameJobs = _options.Jobs.GroupBy(j => (j.Type, j.Method)).Select(same => same.ToArray());
        foreach (ForJobDeclaration[] sameJob in sameJobs.Where(same => same.Length > 1))
        {
            string locks = string.Join(", ", sameJob.Select(j => $"'{j.Lock.Name}'"));
            yield return $"Job {sameJob[0].Type} has {sameJob.Length} locks in code: {locks}. Fix: keep one ForJob call.";
        }

        foreach (ForJobDeclaration job in _options.Jobs.Where(j => j.Method is not null && !MethodsOf(j).Any()))
        {
            yield return $"ForJob<{job.Type.Name}>(\"{job.Method}\", …): {job.Type} has no public method '{job.Method}'. "
                + "Fix: name one with nameof.";
        }
    }

    private IEnumerable<string> ProblemsOfJobs()
    {
        foreach ((Type type, MethodInfo? method) in KnownJobs())
        {
            if (method is not null && DecoratedJobs.IsLambda(method))
            {
                yield return
                    $"[TaskLock] is on a lambda or a local function in {type.DeclaringType ?? type}, where schedulers do not find it. "
                    + "Fix: remove it; for a delegate job of Quartz, use "
                    + "q.AddTaskLocks(o => o.ForJob(new JobKey(\"name\"), new TaskLockAttribute(…))).";
            }
            else if (ProblemOf(type, method) is { } problem)
            {
                yield return problem;
            }
        }
    }

    private string? ProblemOf(Type type, MethodInfo? method)
    {
        try
        {
            Find(type, method);
            return null;
        }
        catch (TaskLockException e)
        {
            return e.Message;
        }
    }

    private static IEnumerable<MethodInfo> MethodsOf(ForJobDeclaration job) =>
        from type in job.Type.IsInterface ? job.Type.GetInterfaces().Prepend(job.Type) : [job.Type]
        from method in type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static)
        where method.Name == job.Method
        select method;

    /// <summary>A lock on a contract alone does not show which scheduler it is for: the classes that implement the contract do.</summary>
    private static bool IsForQuartz(Type type, MethodInfo? method)
    {
        if (DecoratedJobs.IsForQuartz(type, method))
        {
            return true;
        }

        Type[] derived = method is null && type.IsAbstract ? [.. DecoratedJobs.DerivedFrom(type)] : [];
        return derived.Length > 0 && Array.TrueForAll(derived, d => DecoratedJobs.IsForQuartz(d, null));
    }

    private IEnumerable<(Type Type, MethodInfo? Method)> KnownJobs() => KnownJobs(Current());

    private IEnumerable<(Type Type, MethodInfo? Method)> KnownJobs(FoundPolicies found) =>
        _options.Jobs
            .SelectMany(job => job.Method is null ? [(job.Type, null)] : MethodsOf(job).Select(m => (job.Type, (MethodInfo?)m)))
            .Concat(found.Decorated)
            .Distinct();

    /// <summary>What was found so far, unless assemblies with jobs were loaded since: the result may differ then.</summary>
    private FoundPolicies Current()
    {
        FoundPolicies found = _found;
        return !_watchesAssemblies || found.Loads == LoadedAssemblies.Loads ? found : _found = Refresh(found);
    }

    private static FoundPolicies Refresh(FoundPolicies found)
    {
        // Read before the assemblies are listed: what is loaded in between is found the next time.
        int loads = LoadedAssemblies.Loads;
        IReadOnlyList<Assembly> assemblies = LoadedAssemblies.ThatUseJobLocking();
        return assemblies.SequenceEqual(found.Assemblies) ? found with { Loads = loads } : new FoundPolicies(loads, assemblies);
    }

    private LockPolicy? FindNew(Type type, MethodInfo? method, FoundPolicies found)
    {
        if (method is not null && _declarations.Of(type, method) is { } ofMethod)
        {
            return Resolve(ofMethod, DecoratedJobs.Describe(type, method));
        }

        if (_declarations.Of(type, null) is { } ofType)
        {
            // A type has one policy for all its methods.
            return method is not null ? Find(type, null) : Resolve(ofType, DecoratedJobs.Describe(type, null));
        }

        // A contract that declares no lock has the lock of its implementation, which may differ from method to method.
        IEnumerable<Type> known = KnownJobs(found).Select(job => job.Type).Distinct();
        return !type.IsSealed && _ofImplementations.LockOf(type, method, known) is { } implementation
            ? Resolve(implementation.Lock, DecoratedJobs.Describe(implementation.Type, implementation.Method))
            : null;
    }

    /// <summary>The policies that were found while the same assemblies were loaded.</summary>
    /// <param name="Loads">How many assemblies had been loaded.</param>
    /// <param name="Assemblies">Those of them that use JobLocking.</param>
    private sealed record FoundPolicies(int Loads, IReadOnlyList<Assembly> Assemblies)
    {
        private readonly Lazy<(Type Type, MethodInfo? Method)[]> _decorated = new(() => [.. DecoratedJobs.In(Assemblies)]);

        public ConcurrentDictionary<(Type, MethodInfo?), LockPolicy?> Policies { get; } = [];

        public IReadOnlyList<(Type Type, MethodInfo? Method)> Decorated => _decorated.Value;
    }
}
