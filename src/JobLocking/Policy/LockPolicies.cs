using System.Collections.Concurrent;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace JobLocking.Policy;

/// <summary>The locks of all jobs of this process: which job has which.</summary>
public sealed class LockPolicies
{
    private readonly JobLockingOptions _options;
    private readonly OwnLocks _own;
    private readonly Contracts _contracts;
    private readonly bool _looksForMore;
    private readonly ConcurrentDictionary<string, (int Limit, string Job)> _templates = new(StringComparer.Ordinal);

    // Replaced as a whole when assemblies were loaded, so that no answer of before gets in.
    private volatile Answers _answers;

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
        _own = new OwnLocks(_options.Jobs);
        _contracts = new Contracts(_own, new Registrations(registrations));
        if (assemblies is null)
        {
            _looksForMore = true;
            LoadedAssemblies.LoadReferences();
        }

        int loads = LoadedAssemblies.Loads;
        _answers = new Answers(loads, assemblies ?? LoadedAssemblies.ThatUseJobLocking());
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

    /// <summary>The lock that a type, or one of its methods, has by itself.</summary>
    internal TaskLockAttribute? OwnLockOf(Type type, MethodInfo? method = null) => _own.Of(type, method);

    /// <summary>The lock of a job, or null if it has none.</summary>
    /// <param name="type">The job's type.</param>
    /// <param name="method">The method that will run, if the job is a method; its lock wins over the type's.</param>
    /// <exception cref="TaskLockException">The lock is declared wrongly.</exception>
    public LockPolicy? Find(Type type, MethodInfo? method)
    {
        ArgumentNullException.ThrowIfNull(type);
        Answers answers = Current();
        return answers.Found.GetOrAdd(
            (type, method), static (job, from) => from.Self.FindNew(job.Item1, job.Item2, from.Answers), (Self: this, Answers: answers));
    }

    /// <summary>The lock of a job that was given to it in code by the adapter's own means.</summary>
    /// <param name="taskLock">The lock.</param>
    /// <param name="job">The job as messages shall name it.</param>
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

        LockSettings settings = taskLock.Settings.Over(_options.Defaults).Over(LockSettings.BuiltIn);
        foreach (LockOverride @override in _options.Overrides.Where(o => o.Template == taskLock.Name))
        {
            settings = @override.Settings.Over(settings);
        }

        problems.AddRange(LockSettingsValidator.Problems(settings).Select(Invariant));
        if (problems.Count > 0)
        {
            throw new TaskLockException(string.Join(Environment.NewLine, problems.Select(p => $"Lock '{taskLock.Name}' of job {job}: {p}")));
        }

        (int limit, string first) = _templates.GetOrAdd(taskLock.Name, (settings.Limit!.Value, job));
        if (limit != settings.Limit)
        {
            throw new TaskLockException(
                $"Lock '{taskLock.Name}' of job {job}: Limit is {settings.Limit}, but it is {limit} for job {first}; a lock has one limit. Fix: use the same Limit for both, or set it once under JobLocking:Locks.");
        }

        return new LockPolicy(job, template!, settings, TimeSpan.FromSeconds(_options.OccurrenceRetention));
    }

    /// <summary>
    /// Everything that is wrong with what is known at start: options, configuration, declared locks. A host does not start
    /// with any; an adapter that may run without a host has to refuse to be registered with any.
    /// </summary>
    /// <returns>The problems, each with the job or property, the value and the fix; empty if all is well.</returns>
    public IReadOnlyList<string> Problems()
    {
        List<string> problems = [.. _options.Problems];
        if (_options.OccurrenceRetention < 60)
        {
            problems.Add(Invariant(
                $"OccurrenceRetention is {_options.OccurrenceRetention}, but must be at least 60 seconds. Fix: keep the default of one day, or set it above the longest delay of a firing."));
        }

        foreach ((string property, string value) in new[] { (nameof(_options.NodeName), _options.NodeName), (nameof(_options.ApplicationName), _options.ApplicationName) })
        {
            if (string.IsNullOrWhiteSpace(value))
            {
                problems.Add($"{property} is empty, so the holder of a lock could not be identified. Fix: do not set it, or set it to a name.");
            }
        }

        foreach (IGrouping<string, LockOverride> twice in _options.Overrides.GroupBy(o => o.Template).Where(g => g.Count() > 1))
        {
            problems.Add($"Configuration has lock '{twice.Key}' more than once: {string.Join(", ", twice.Select(o => o.Path))}. Fix: merge them.");
        }

        foreach (IGrouping<(Type, string?), JobLock> twice in _options.Jobs.GroupBy(j => (j.Type, j.Method)).Where(g => g.Count() > 1))
        {
            problems.Add($"Job {twice.Key.Item1} has {twice.Count()} locks in code: {string.Join(", ", twice.Select(j => $"'{j.Lock.Name}'"))}. Fix: keep one ForJob call.");
        }

        foreach (JobLock job in _options.Jobs.Where(j => j.Method is not null && !MethodsOf(j).Any()))
        {
            problems.Add($"ForJob<{job.Type.Name}>(\"{job.Method}\", …): {job.Type} has no public method '{job.Method}'. Fix: name one with nameof.");
        }

        foreach ((Type type, MethodInfo? method) in KnownJobs())
        {
            if (method is not null && DecoratedJobs.IsLambda(method))
            {
                problems.Add($"[TaskLock] is on a lambda or a local function in {type.DeclaringType ?? type}, where schedulers do not find it. "
                    + "Fix: remove it; for a delegate job of Quartz, use q.AddTaskLocks(o => o.ForJob(new JobKey(\"name\"), new TaskLockAttribute(…))).");
                continue;
            }

            try
            {
                Find(type, method);
            }
            catch (TaskLockException e)
            {
                problems.Add(e.Message);
            }
        }

        return problems;
    }

    private static IEnumerable<MethodInfo> MethodsOf(JobLock job) =>
        from type in job.Type.IsInterface ? job.Type.GetInterfaces().Prepend(job.Type) : [job.Type]
        from method in type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static)
        where method.Name == job.Method
        select method;

    /// <summary>A lock on a contract says nothing of the scheduler by itself: what is derived from it does.</summary>
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

    private IEnumerable<(Type Type, MethodInfo? Method)> KnownJobs(Answers answers) =>
        _options.Jobs
            .SelectMany(job => job.Method is null ? [(job.Type, null)] : MethodsOf(job).Select(m => (job.Type, (MethodInfo?)m)))
            .Concat(answers.Decorated)
            .Distinct();

    /// <summary>What was answered so far, unless assemblies with jobs were loaded meanwhile: an answer may be another then.</summary>
    private Answers Current()
    {
        Answers answers = _answers;
        return !_looksForMore || answers.Loads == LoadedAssemblies.Loads ? answers : _answers = PollAgain(answers);
    }

    private static Answers PollAgain(Answers answers)
    {
        // Counted before it looks: what is loaded meanwhile is found the next time.
        int loads = LoadedAssemblies.Loads;
        IReadOnlyList<Assembly> assemblies = LoadedAssemblies.ThatUseJobLocking();
        return assemblies.SequenceEqual(answers.Assemblies) ? answers with { Loads = loads } : new Answers(loads, assemblies);
    }

    private LockPolicy? FindNew(Type type, MethodInfo? method, Answers answers)
    {
        if (method is not null && _own.Of(type, method) is { } own)
        {
            return Resolve(own, DecoratedJobs.Describe(type, method));
        }

        if (_own.Of(type, null) is { } ofType)
        {
            // The policy of a type is one for all its methods.
            return method is not null ? Find(type, null) : Resolve(ofType, DecoratedJobs.Describe(type, null));
        }

        // Of a contract that says nothing itself, what its implementations say; they may differ from method to method.
        IEnumerable<Type> known = KnownJobs(answers).Select(job => job.Type).Distinct();
        return !type.IsSealed && _contracts.LockOf(type, method, known) is { } implementation
            ? Resolve(implementation.Lock, DecoratedJobs.Describe(implementation.Type, implementation.Method))
            : null;
    }

    /// <summary>The answers of one state of the process.</summary>
    /// <param name="Loads">How many assemblies had been loaded.</param>
    /// <param name="Assemblies">Those of them that use JobLocking.</param>
    private sealed record Answers(int Loads, IReadOnlyList<Assembly> Assemblies)
    {
        private readonly Lazy<(Type Type, MethodInfo? Method)[]> _decorated = new(() => [.. DecoratedJobs.In(Assemblies)]);

        public ConcurrentDictionary<(Type, MethodInfo?), LockPolicy?> Found { get; } = [];

        public IReadOnlyList<(Type Type, MethodInfo? Method)> Decorated => _decorated.Value;
    }
}
