using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Loader;
using JobLocking.Policy;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace JobLocking.Tests.Policy;

public sealed class LateAssemblyTests
{
    public interface ILate
    {
        void Run();
    }

    public interface IBadLate
    {
        void Run();
    }

    [Fact]
    public void A_job_in_an_assembly_that_is_loaded_later_has_its_lock()
    {
        using ServiceProvider services = Services();
        LockPolicies policies = services.GetRequiredService<LockPolicies>();
        MethodInfo enqueued = typeof(ILate).GetMethod("Run")!;
        Assert.Null(policies.Find(typeof(ILate), enqueued));

        Load("late-jobs", typeof(ILate), new TaskLockAttribute("late"));

        Assert.Equal("late", policies.Find(typeof(ILate), enqueued)!.Template);
        Assert.Contains(policies.Jobs, job => job.Type.Name == "LateJob" && job.Type.Assembly.GetName().Name == "late-jobs");
    }

    [Fact]
    public void A_bad_lock_in_an_assembly_that_is_loaded_later_fails_its_job()
    {
        // Invalid only under the defaults of this host: the assembly stays loaded, and the other hosts of the tests see it too.
        using ServiceProvider services = Services(o => o.Expire = 10);
        LockPolicies policies = services.GetRequiredService<LockPolicies>();
        MethodInfo enqueued = typeof(IBadLate).GetMethod("Run")!;
        Assert.Null(policies.Find(typeof(IBadLate), enqueued));

        Load("bad-late-jobs", typeof(IBadLate), new TaskLockAttribute("bad-late") { MinHold = 20 });

        TaskLockException error = Assert.Throws<TaskLockException>(() => policies.Find(typeof(IBadLate), enqueued));
        Assert.Contains("Lock 'bad-late' of job LateJob: MinHold is 20", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_result_is_remembered_while_no_assembly_is_loaded()
    {
        using ServiceProvider services = Services();
        LockPolicies policies = services.GetRequiredService<LockPolicies>();

        LockPolicy first = policies.Find(typeof(LockPoliciesTests.Decorated), null)!;

        // Other tests may load assemblies between the two, so that one repetition proves nothing.
        Assert.Contains(Enumerable.Range(0, 100), _ => ReferenceEquals(first, policies.Find(typeof(LockPoliciesTests.Decorated), null)));
    }

    /// <summary>Loads an assembly with one decorated class, which looks like one from a file.</summary>
    private static void Load(string name, Type contract, TaskLockAttribute taskLock)
    {
        PersistedAssemblyBuilder assembly = new(new AssemblyName(name), typeof(object).Assembly);
        TypeBuilder type = assembly.DefineDynamicModule(name).DefineType("LateJob", TypeAttributes.Public, typeof(object), [contract]);
        type.SetCustomAttribute(new CustomAttributeBuilder(
            typeof(TaskLockAttribute).GetConstructor([typeof(string)])!,
            [taskLock.Name],
            [typeof(TaskLockAttribute).GetProperty(nameof(TaskLockAttribute.MinHold))!],
            [taskLock.MinHold]));
        MethodBuilder run = type.DefineMethod("Run", MethodAttributes.Public | MethodAttributes.Virtual, typeof(void), []);
        run.GetILGenerator().Emit(OpCodes.Ret);
        type.CreateType();
        using MemoryStream image = new();
        assembly.Save(image);
        image.Position = 0;
        AssemblyLoadContext.Default.LoadFromStream(image);
    }

    private static ServiceProvider Services(Action<JobLockingOptions>? configure = null)
    {
        ServiceCollection services = new();
        services.AddJobLocking(configure);
        return services.BuildServiceProvider();
    }
}
