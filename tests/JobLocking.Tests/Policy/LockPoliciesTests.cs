using System.Globalization;
using System.Reflection;
using System.Reflection.Emit;
using JobLocking.Policy;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace JobLocking.Tests.Policy;

public sealed class LockPoliciesTests
{
    [TaskLock("on-interface")]
    public interface IDecorated
    {
        void Run();

        [TaskLock("on-interface-method")]
        void Special();
    }

    [TaskLock("on-class", Expire = 30)]
    public class Decorated
    {
        public void Plain()
        {
        }

        [TaskLock("on-method", DeferBy = 7)]
        public virtual void Own()
        {
        }
    }

    public sealed class Derived : Decorated
    {
        public override void Own()
        {
        }
    }

    public sealed class Implementation : IDecorated
    {
        public void Run()
        {
        }

        public void Special()
        {
        }
    }

    public sealed class Undecorated
    {
        public void Run()
        {
        }

        public void Other()
        {
        }
    }

    [Fact]
    public void The_lock_of_a_method_wins_over_that_of_its_class()
    {
        LockPolicies policies = Policies();
        Assert.Equal("on-class", policies.Find(typeof(Decorated), Method<Decorated>("Plain"))!.Template);
        Assert.Equal("on-method", policies.Find(typeof(Decorated), Method<Decorated>("Own"))!.Template);
        Assert.Null(policies.Find(typeof(Undecorated), Method<Undecorated>("Run")));
    }

    public interface IEnqueued
    {
        void Run();

        void Hidden();

        void Free();
    }

    public sealed class EnqueuedByInterface : IEnqueued
    {
        [TaskLock("on-implementation")]
        public void Run()
        {
        }

        public void Free()
        {
        }

        [TaskLock("on-explicit-implementation")]
        void IEnqueued.Hidden()
        {
        }
    }

    public interface IAmbiguous
    {
        void Run();
    }

    [TaskLock("one")]
    public sealed class One : IAmbiguous
    {
        public void Run()
        {
        }
    }

    [TaskLock("two")]
    public sealed class Two : IAmbiguous
    {
        public void Run()
        {
        }
    }

    public interface IGeneric
    {
        [TaskLock("generic")]
        void Send<T>(T value);
    }

    public sealed class Generic : IGeneric
    {
        public void Send<T>(T value)
        {
        }
    }

    [TaskLock("twice")]
    public interface ITwice<T>;

    public sealed class Twice : ITwice<int>, ITwice<string>;

    public interface IBase
    {
        void Go();
    }

    public interface IDerivedContract : IBase;

    [Fact]
    public void A_job_that_is_enqueued_through_an_interface_has_the_lock_of_its_implementation()
    {
        LockPolicies policies = Policies(null, [typeof(LockPoliciesTests).Assembly]);
        Assert.Equal("on-implementation", policies.Find(typeof(IEnqueued), Method<IEnqueued>("Run"))!.Template);
        Assert.Equal("on-explicit-implementation", policies.Find(typeof(IEnqueued), Method<IEnqueued>("Hidden"))!.Template);
        Assert.Null(policies.Find(typeof(IEnqueued), Method<IEnqueued>("Free")));
        TaskLockException error = Assert.Throws<TaskLockException>(() => policies.Find(typeof(IAmbiguous), Method<IAmbiguous>("Run")));
        Assert.Contains("'one'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_generic_method_has_the_lock_of_its_interface()
    {
        Assert.Equal("generic", Policies().Find(typeof(Generic), Method<Generic>("Send").MakeGenericMethod(typeof(int)))!.Template);
    }

    [Fact]
    public void The_same_lock_from_two_interfaces_is_one_lock()
    {
        Assert.Equal("twice", Policies().Find(typeof(Twice), null)!.Template);
    }

    [Fact]
    public void A_lock_given_in_code_is_inherited_too()
    {
        LockPolicies policies = Policies(o => o
            .ForJob<Decorated>(new TaskLockAttribute("base"))
            .ForJob<IDerivedContract>(nameof(IBase.Go), new TaskLockAttribute("go")));
        Assert.Equal("base", policies.Find(typeof(Derived), null)!.Template);
        Assert.Empty(policies.Problems());
        Assert.Equal("go", policies.Find(typeof(IDerivedContract), Method<IBase>("Go"))!.Template);
    }

    [Fact]
    public void Different_locks_given_in_code_to_two_interfaces_of_a_job_are_an_error()
    {
        LockPolicies policies = Policies(o => o.ForJob<ITwice<int>>(new TaskLockAttribute("one")).ForJob<ITwice<string>>(new TaskLockAttribute("two")));
        TaskLockException error = Assert.Throws<TaskLockException>(() => policies.Find(typeof(Twice), null));
        Assert.Contains("'one' on ", error.Message, StringComparison.Ordinal);
        Assert.Contains("'two' on ", error.Message, StringComparison.Ordinal);
        Assert.Contains("Fix: call ForJob<Twice> with", error.Message, StringComparison.Ordinal);

        LockPolicies ofMethods = Policies(o => o
            .ForJob<ITwice<int>>("ToString", new TaskLockAttribute("one")).ForJob<ITwice<string>>("ToString", new TaskLockAttribute("two")));
        error = Assert.Throws<TaskLockException>(() => ofMethods.Find(typeof(Twice), Method<Twice>("ToString")));
        Assert.Contains("Fix: call ForJob<Twice>(\"ToString\", …)", error.Message, StringComparison.Ordinal);

        LockPolicies same = Policies(o => o.ForJob<ITwice<int>>(new TaskLockAttribute("one")).ForJob<ITwice<string>>(new TaskLockAttribute("one")));
        Assert.Equal("one", same.Find(typeof(Twice), null)!.Template);

        LockPolicies own = Policies(o => o
            .ForJob<ITwice<int>>(new TaskLockAttribute("one")).ForJob<ITwice<string>>(new TaskLockAttribute("two")).ForJob<Twice>(new TaskLockAttribute("own")));
        Assert.Equal("own", own.Find(typeof(Twice), null)!.Template);
    }

    [Fact]
    public void A_lock_is_inherited_and_found_on_interfaces()
    {
        LockPolicies policies = Policies();
        Assert.Equal("on-class", policies.Find(typeof(Derived), null)!.Template);
        Assert.Equal("on-method", policies.Find(typeof(Derived), Method<Derived>("Own"))!.Template);
        Assert.Equal("on-interface", policies.Find(typeof(Implementation), Method<Implementation>("Run"))!.Template);
        Assert.Equal("on-interface-method", policies.Find(typeof(Implementation), Method<Implementation>("Special"))!.Template);
        Assert.Equal("on-interface-method", policies.Find(typeof(IDecorated), typeof(IDecorated).GetMethod("Special"))!.Template);
    }

    [Fact]
    public void A_lock_given_in_code_replaces_the_attribute()
    {
        LockPolicies policies = Policies(o => o
            .ForJob<Decorated>(new TaskLockAttribute("in-code"))
            .ForJob<Undecorated>(nameof(Undecorated.Run), new TaskLockAttribute("in-code-method")));
        Assert.Equal("in-code", policies.Find(typeof(Decorated), null)!.Template);
        Assert.Equal("on-method", policies.Find(typeof(Decorated), Method<Decorated>("Own"))!.Template);
        Assert.Equal("in-code-method", policies.Find(typeof(Undecorated), Method<Undecorated>("Run"))!.Template);
        Assert.Null(policies.Find(typeof(Undecorated), Method<Undecorated>("Other")));
    }

    [Fact]
    public void Defaults_fill_in_and_configuration_overrides()
    {
        LockPolicy policy = Policies(
            o => o.DeferBy = 40,
            ("JobLocking:Expire", "90"),
            ("JobLocking:MaxHold", "900"),
            ("JobLocking:Locks:0:Name", "on-class"),
            ("JobLocking:Locks:0:Expire", "300"),
            ("JobLocking:Wait", "7"),
            ("JobLocking:Locks:0:Limit", "3"),
            ("JobLocking:Locks:0:OnConflict", "fail"),
            ("JobLocking:Locks:0:OncePerOccurrence", "Always")).Find(typeof(Decorated), null)!;

        Assert.Equal(TimeSpan.FromSeconds(300), policy.Expire);
        Assert.Equal(TimeSpan.FromSeconds(900), policy.MaxHold);
        Assert.Equal(TimeSpan.FromSeconds(40), policy.DeferBy);
        Assert.Equal(TimeSpan.FromSeconds(7), policy.Wait);
        Assert.Equal(3, policy.Limit);
        Assert.Equal(LockConflict.Fail, policy.OnConflict);
        Assert.Equal(OncePerOccurrence.Always, policy.OncePerOccurrence);
    }

    [Theory]
    [InlineData(null, OncePerOccurrence.Never)]
    [InlineData(OncePerOccurrence.Auto, OncePerOccurrence.Never)]
    [InlineData(OncePerOccurrence.Always, OncePerOccurrence.Always)]
    public void Never_in_configuration_is_the_switch_for_all_locks_that_do_not_say_Always_in_code(OncePerOccurrence? declared, OncePerOccurrence expected)
    {
        LockPolicies policies = Policies(null, ("JobLocking:OncePerOccurrence", "Never"));
        TaskLockAttribute taskLock = declared is { } once ? new("x") { OncePerOccurrence = once } : new("x");

        Assert.Equal(expected, policies.Resolve(taskLock, "job").OncePerOccurrence);
    }

    [Fact]
    public void The_entry_of_a_lock_in_configuration_wins_over_the_switch()
    {
        LockPolicies policies = Policies(
            null,
            ("JobLocking:OncePerOccurrence", "Never"),
            ("JobLocking:Locks:0:Name", "x"),
            ("JobLocking:Locks:0:OncePerOccurrence", "Auto"));

        Assert.Equal(OncePerOccurrence.Auto, policies.Resolve(new TaskLockAttribute("x"), "job").OncePerOccurrence);
    }

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public void True_and_false_are_no_values_of_OncePerOccurrence_and_the_message_says_what_to_write(string value)
    {
        string problem = Assert.Single(Policies(null, ("JobLocking:OncePerOccurrence", value)).Problems());

        Assert.Contains($"JobLocking:OncePerOccurrence is '{value}'", problem, StringComparison.Ordinal);
        Assert.Contains("Fix: write Always instead of true, and Auto (the default) or Never instead of false", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(OncePerOccurrence.Auto, 1, LockUnavailable.Defer, false, true)]
    [InlineData(OncePerOccurrence.Auto, 1, LockUnavailable.Fail, false, true)]
    [InlineData(OncePerOccurrence.Auto, 1, LockUnavailable.Defer, true, false)]
    [InlineData(OncePerOccurrence.Auto, 3, LockUnavailable.Defer, false, false)]
    [InlineData(OncePerOccurrence.Auto, 1, LockUnavailable.Run, false, false)]
    [InlineData(OncePerOccurrence.Always, 3, LockUnavailable.Defer, true, true)]
    [InlineData(OncePerOccurrence.Never, 1, LockUnavailable.Defer, false, false)]
    public void What_the_lock_and_the_store_decide_of_once_per_occurrence(
        OncePerOccurrence once, int limit, LockUnavailable onUnavailable, bool isClustered, bool expected)
    {
        TaskLockAttribute taskLock = new($"once-{limit}") { OncePerOccurrence = once, Limit = limit, OnUnavailable = onUnavailable };

        Assert.Equal(expected, Policies().Resolve(taskLock, "job").RunsOccurrencesOnce(isClustered));
    }

    [Fact]
    public void What_the_attribute_sets_wins_over_the_defaults_even_if_it_is_the_built_in_value()
    {
        LockPolicies policies = Policies(o => o.Expire = 90);
        Assert.Equal(TimeSpan.FromSeconds(60), policies.Resolve(new TaskLockAttribute("x") { Expire = 60 }, "job").Expire);
        Assert.Equal(TimeSpan.FromSeconds(90), policies.Resolve(new TaskLockAttribute("x"), "job").Expire);
    }

    public static TheoryData<TaskLockAttribute, string> BadLocks => new()
    {
        { new TaskLockAttribute(""), "Name" },
        { new TaskLockAttribute("{"), "Name" },
        { new TaskLockAttribute("x") { Expire = 0 }, "Expire is 0" },
        { new TaskLockAttribute("x") { Expire = -5 }, "Expire is -5" },
        { new TaskLockAttribute("x") { Expire = 86_400_000 }, "not milliseconds" },
        { new TaskLockAttribute("x") { MaxHold = 59 }, "MaxHold is 59" },
        { new TaskLockAttribute("x") { MinHold = 61 }, "MinHold is 61" },
        { new TaskLockAttribute("x") { MinHold = -1 }, "MinHold is -1" },
        { new TaskLockAttribute("x") { Limit = 0 }, "Limit is 0" },
        { new TaskLockAttribute("x") { Limit = 1001 }, "Limit is 1001" },
        { new TaskLockAttribute("x") { Wait = -1 }, "Wait is -1" },
        { new TaskLockAttribute("x") { Wait = 5000 }, "Wait is 5000" },
        { new TaskLockAttribute("x") { DeferBy = 0 }, "DeferBy is 0" },
        { new TaskLockAttribute("x") { GiveUpAfter = -1 }, "GiveUpAfter is -1" },
        { new TaskLockAttribute("x") { GiveUpAfter = 5 }, "GiveUpAfter is 5" },
        { new TaskLockAttribute("x") { OnConflict = (LockConflict)9 }, "OnConflict is 9" },
        { new TaskLockAttribute("x") { OnUnavailable = (LockUnavailable)9 }, "OnUnavailable is 9" },
        { new TaskLockAttribute("x") { OncePerOccurrence = OncePerOccurrence.Always, OnUnavailable = LockUnavailable.Run }, "OncePerOccurrence = Always and OnUnavailable" },
    };

    [Theory]
    [MemberData(nameof(BadLocks), DisableDiscoveryEnumeration = true)]
    public void A_bad_value_is_refused_with_job_property_value_and_fix(TaskLockAttribute bad, string property)
    {
        string problem = Assert.Single(Policies(o => o.ForJob<Undecorated>(bad)).Problems());
        Assert.Contains(property, problem, StringComparison.Ordinal);
        Assert.Contains(typeof(Undecorated).ToString(), problem, StringComparison.Ordinal);
        Assert.Contains("Fix:", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_message_about_a_wrong_value_does_not_depend_on_the_culture_of_the_node()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        CultureInfo foreign = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        foreign.NumberFormat.NegativeSign = "~";
        CultureInfo.CurrentCulture = foreign;
        try
        {
            IReadOnlyList<string> problems = Policies(o =>
            {
                o.OccurrenceRetention = -7;
                o.ForJob<Undecorated>(new TaskLockAttribute("x") { Expire = -5 });
            }).Problems();
            Assert.Contains(problems, p => p.Contains("Expire is -5", StringComparison.Ordinal));
            Assert.Contains(problems, p => p.Contains("OccurrenceRetention is -7", StringComparison.Ordinal));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Theory]
    [InlineData("JobLocking:Expires", "5", "JobLocking:Expires")]
    [InlineData("JobLocking:Expire", "00:05:00", "00:05:00")]
    [InlineData("JobLocking:Expire", "1.5", "1.5")]
    [InlineData("JobLocking:Limit", "two", "a limit as a whole number")]
    [InlineData("JobLocking:OnConflict", "1", "OnConflict")]
    [InlineData("JobLocking:OnConflict", "Wait", "Wait")]
    [InlineData("JobLocking:OnConflict", "Skip, Defer", "Skip, Defer")]
    [InlineData("JobLocking:OnConflict", "+1", "+1")]
    [InlineData("JobLocking:OccurrenceRetention", "1", "OccurrenceRetention is 1")]
    [InlineData("JobLocking:Locks", "nightly", "must be a map or a list of locks")]
    [InlineData("JobLocking:Locks:0:Expire", "5", "has no Name")]
    [InlineData("JobLocking:Locks:nightly:Expire", "5", "has no Name")]
    public void Bad_configuration_is_refused_with_its_path_and_a_fix(string key, string value, string expected)
    {
        string problem = Assert.Single(Policies(null, (key, value)).Problems());
        Assert.Contains(expected, problem, StringComparison.Ordinal);
        Assert.Contains("Fix:", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Locks_in_configuration_can_also_be_a_map_with_any_keys_which_layers_do_not_mix()
    {
        LockPolicies policies = Layered(
            [("JobLocking:Locks:reports:Name", "on-class"), ("JobLocking:Locks:reports:Expire", "300"), ("JobLocking:Locks:reports:MaxHold", "3600")],
            [("JobLocking:Locks:any other key:Name", "on-method"), ("JobLocking:Locks:any other key:Expire", "30"), ("JobLocking:Locks:reports:Expire", "200")]);

        Assert.Empty(policies.Problems());
        LockPolicy ofClass = policies.Find(typeof(Decorated), null)!;
        LockPolicy ofMethod = policies.Find(typeof(Decorated), Method<Decorated>("Own"))!;
        Assert.Equal((TimeSpan.FromSeconds(200), TimeSpan.FromSeconds(3600)), (ofClass.Expire, ofClass.MaxHold));
        Assert.Equal((TimeSpan.FromSeconds(30), TimeSpan.Zero), (ofMethod.Expire, ofMethod.MaxHold));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("key")]
    public void Two_locks_that_layers_mix_at_one_position_are_refused_with_both_names_and_their_sources(string key)
    {
        string problem = Assert.Single(Layered(
            [($"JobLocking:Locks:{key}:Name", "a"), ($"JobLocking:Locks:{key}:Expire", "300"), ($"JobLocking:Locks:{key}:MaxHold", "3600")],
            [($"JobLocking:Locks:{key}:Name", "b"), ($"JobLocking:Locks:{key}:Expire", "30")]).Problems());

        Assert.StartsWith($"Configuration JobLocking:Locks:{key} names different locks", problem, StringComparison.Ordinal);
        Assert.Contains("'a' in MemoryConfigurationProvider, 'b' in MemoryConfigurationProvider", problem, StringComparison.Ordinal);
        Assert.Contains("Fix: in all sources, write the locks as a map", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Layers_with_the_same_lock_at_one_position_are_merged()
    {
        LockPolicies policies = Layered(
            [("JobLocking:Locks:0:Name", "on-class"), ("JobLocking:Locks:0:Expire", "300"), ("JobLocking:Locks:0:MaxHold", "3600")],
            [("JobLocking:Locks:0:Name", "on-class"), ("JobLocking:Locks:0:Expire", "200")]);

        Assert.Empty(policies.Problems());
        Assert.Equal(TimeSpan.FromSeconds(200), policies.Find(typeof(Decorated), null)!.Expire);
    }

    [Fact]
    public void A_template_with_a_colon_for_a_key_is_refused_with_the_form_that_works()
    {
        IReadOnlyList<string> problems = Policies(null, ("JobLocking:Locks:invoice:{customerId}:Expire", "300")).Problems();
        Assert.Contains(problems, p => p.Contains("give each lock a key without ':', and set Name to its template", StringComparison.Ordinal));
    }

    [Fact]
    public void A_lock_has_no_unknown_property_and_appears_in_configuration_once()
    {
        IReadOnlyList<string> problems = Policies(
            null,
            ("JobLocking:Locks:0:Name", "x"),
            ("JobLocking:Locks:0:Expiry", "5"),
            ("JobLocking:Locks:1:Name", "x")).Problems();
        Assert.Contains(problems, p => p.Contains("'Expiry'", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Contains("more than once", StringComparison.Ordinal));
    }

    [Fact]
    public void Code_that_names_no_method_or_a_job_twice_is_refused()
    {
        IReadOnlyList<string> problems = Policies(o => o
            .ForJob<Undecorated>("Gone", new TaskLockAttribute("x"))
            .ForJob<Decorated>(new TaskLockAttribute("y"))
            .ForJob<Decorated>(new TaskLockAttribute("z"))).Problems();
        Assert.Contains(problems, p => p.Contains("'Gone'", StringComparison.Ordinal));
        Assert.Contains(problems, p => p.Contains("'y', 'z'", StringComparison.Ordinal));
    }

    [Fact]
    public void One_template_with_two_limits_is_refused_and_configuration_can_resolve_it()
    {
        static void TwoLimits(JobLockingOptions o) => o
            .ForJob<Undecorated>(new TaskLockAttribute("shared") { Limit = 2 })
            .ForJob<Implementation>(new TaskLockAttribute("shared") { Limit = 3 });
        string problem = Assert.Single(Policies(TwoLimits).Problems());
        Assert.Contains("'shared'", problem, StringComparison.Ordinal);
        Assert.Contains("Limit is 3, but it is 2", problem, StringComparison.Ordinal);
        Assert.Contains(typeof(Undecorated).ToString(), problem, StringComparison.Ordinal);
        Assert.Contains(typeof(Implementation).ToString(), problem, StringComparison.Ordinal);

        Assert.Empty(Policies(TwoLimits, ("JobLocking:Locks:0:Name", "shared"), ("JobLocking:Locks:0:Limit", "4")).Problems());
    }

    [Fact]
    public void A_process_without_a_name_is_refused()
    {
        string problem = Assert.Single(Policies(o => o.NodeName = " ").Problems());
        Assert.Contains("NodeName is empty", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void An_override_that_matches_no_lock_is_reported()
    {
        LockPolicies policies = Policies(null, ("JobLocking:Locks:0:Name", "on-class"), ("JobLocking:Locks:1:Name", "nobody"));
        policies.Find(typeof(Decorated), null);
        Assert.Equal("nobody", Assert.Single(policies.UnmatchedOverrides).Template);
    }

    [Fact]
    public void A_badly_decorated_class_is_found_in_an_assembly_without_being_run()
    {
        ModuleBuilder module = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName("bad-jobs"), AssemblyBuilderAccess.RunAndCollect).DefineDynamicModule("m");
        TypeBuilder type = module.DefineType("BadJob", TypeAttributes.Public);
        type.SetCustomAttribute(new CustomAttributeBuilder(
            typeof(TaskLockAttribute).GetConstructor([typeof(string)])!, ["bad"], [typeof(TaskLockAttribute).GetProperty("Expire")!], [0]));
        type.CreateType();

        string problem = Assert.Single(Policies(null, [module.Assembly]).Problems());
        Assert.Contains("BadJob", problem, StringComparison.Ordinal);
        Assert.Contains("Expire is 0", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_jobs_of_the_entry_assembly_are_found_without_registration()
    {
        using ServiceProvider services = Services(null, []);
        LockPolicies policies = services.GetRequiredService<LockPolicies>();
        Assert.Empty(policies.Problems());
        Assert.Contains(policies.Methods, m => m.Policy.Template == "on-method");
    }

    private static MethodInfo Method<T>(string name) => typeof(T).GetMethod(name)!;

    private static LockPolicies Policies(Action<JobLockingOptions>? configure = null, params (string Key, string Value)[] configuration) =>
        Policies(configure, [], configuration);

    /// <summary>The policies of configuration from several sources, the strongest last.</summary>
    private static LockPolicies Layered(params (string Key, string Value)[][] sources)
    {
        ConfigurationManager configuration = new();
        foreach ((string Key, string Value)[] source in sources)
        {
            configuration.AddInMemoryCollection(source.Select(c => KeyValuePair.Create<string, string?>(c.Key, c.Value)));
        }

        ServiceCollection services = new();
        services.AddSingleton<IConfiguration>(configuration);
        services.AddJobLocking();
        using ServiceProvider provider = services.BuildServiceProvider();
        return new LockPolicies(provider.GetRequiredService<IOptions<JobLockingOptions>>(), []);
    }

    private static LockPolicies Policies(Action<JobLockingOptions>? configure, Assembly[] assemblies, params (string Key, string Value)[] configuration)
    {
        using ServiceProvider services = Services(configure, configuration);
        return new LockPolicies(services.GetRequiredService<IOptions<JobLockingOptions>>(), assemblies);
    }

    private static ServiceProvider Services(Action<JobLockingOptions>? configure, (string Key, string Value)[] configuration)
    {
        ServiceCollection services = new();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(configuration.Select(c => KeyValuePair.Create<string, string?>(c.Key, c.Value))).Build());
        services.AddJobLocking(configure);
        return services.BuildServiceProvider();
    }
}
