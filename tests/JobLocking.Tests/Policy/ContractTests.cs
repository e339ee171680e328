using System.Reflection;
using JobLocking.Policy;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace JobLocking.Tests.Policy;

/// <summary>A job is enqueued through one type, and its lock is on another.</summary>
public sealed class ContractTests
{
    public interface IHandler<T>
    {
        void Handle(T message);

        void Retry(T message);
    }

    [TaskLock("handler")]
    public sealed class Handler<T> : IHandler<T>
    {
        public void Handle(T message)
        {
        }

        [TaskLock("handler-retry")]
        public void Retry(T message)
        {
        }
    }

    public interface IConstrained<T>
        where T : notnull
    {
        void Run();
    }

    [TaskLock("of-classes")]
    public sealed class OfClasses<T> : IConstrained<T>
        where T : class
    {
        public void Run()
        {
        }
    }

    [TaskLock("of-pairs")]
    public sealed class OfPairs<TKey, TValue> : IConstrained<KeyValuePair<TKey, TValue[]>>
    {
        public void Run()
        {
        }
    }

    public interface IPlain
    {
        void Run();
    }

    public abstract class PlainBase
    {
        public abstract void Go();
    }

    public sealed class Plain : PlainBase, IPlain
    {
        public void Run()
        {
        }

        public override void Go()
        {
        }
    }

    public class PlainHandler<T> : IHandler<T>
    {
        public void Handle(T message)
        {
        }

        public void Retry(T message)
        {
        }
    }

    public abstract class Export
    {
        public abstract void Run();

        public virtual void Clean()
        {
        }
    }

    [TaskLock("export")]
    public sealed class CsvExport : Export
    {
        public override void Run()
        {
        }

        [TaskLock("export-clean")]
        public override void Clean()
        {
        }
    }

    public class Import
    {
        public virtual void Run()
        {
        }
    }

    public sealed class LockedImport : Import
    {
        [TaskLock("import")]
        public override void Run()
        {
        }
    }

    public interface ISeveral
    {
        void Run();
    }

    [TaskLock("several-1")]
    public sealed class FirstOfSeveral : ISeveral
    {
        public void Run()
        {
        }
    }

    [TaskLock("several-2")]
    public sealed class SecondOfSeveral : ISeveral
    {
        public void Run()
        {
        }
    }

    [Fact]
    public void An_open_generic_class_has_its_lock_through_a_generic_interface()
    {
        using ServiceProvider services = Services();
        Assert.Equal("handler", LockOf<IHandler<string>>(services, "Handle"));
        Assert.Equal("handler-retry", LockOf<IHandler<int>>(services, "Retry"));
    }

    [Fact]
    public void The_lock_of_a_generic_interface_is_that_of_the_class_that_its_arguments_allow()
    {
        using ServiceProvider services = Services();
        Assert.Equal("of-classes", LockOf<IConstrained<string>>(services, "Run"));
        Assert.Equal("of-pairs", LockOf<IConstrained<KeyValuePair<int, string[]>>>(services, "Run"));
        Assert.Null(LockOf<IConstrained<int>>(services, "Run"));
    }

    [Fact]
    public void A_lock_given_in_code_to_a_class_applies_through_its_interface_and_its_base_class()
    {
        using ServiceProvider services = Services(o => o.ForJob<Plain>(new TaskLockAttribute("plain")));
        Assert.Equal("plain", LockOf<IPlain>(services, "Run"));
        Assert.Equal("plain", LockOf<PlainBase>(services, "Go"));

        using ServiceProvider ofMethod = Services(o => o.ForJob<Plain>("Run", new TaskLockAttribute("plain-run")));
        Assert.Equal("plain-run", LockOf<IPlain>(ofMethod, "Run"));
        Assert.Null(LockOf<PlainBase>(ofMethod, "Go"));
    }

    [Fact]
    public void A_lock_can_be_given_in_code_to_an_open_generic_class_or_interface()
    {
        using ServiceProvider services = Services(o => o
            .ForJob(typeof(PlainHandler<>), new TaskLockAttribute("any"))
            .ForJob<PlainHandler<int>>(new TaskLockAttribute("numbers"))
            .ForJob(typeof(PlainHandler<>), "Retry", new TaskLockAttribute("any-retry")));
        Assert.Equal("any", LockOf<PlainHandler<string>>(services, "Handle"));
        Assert.Equal("numbers", LockOf<PlainHandler<int>>(services, "Handle"));
        Assert.Equal("any-retry", LockOf<PlainHandler<string>>(services, "Retry"));

        using ServiceProvider ofInterface = Services(o => o.ForJob(typeof(IHandler<>), new TaskLockAttribute("interface")));
        Assert.Equal("interface", LockOf<IHandler<string>>(ofInterface, "Handle"));
        Assert.Equal("interface", LockOf<PlainHandler<string>>(ofInterface, "Handle"));
    }

    [Fact]
    public void A_job_that_is_enqueued_through_an_abstract_class_has_the_lock_of_its_implementation()
    {
        using ServiceProvider services = Services();
        Assert.Equal("export", LockOf<Export>(services, "Run"));
        Assert.Equal("export-clean", LockOf<Export>(services, "Clean"));
    }

    [Fact]
    public void A_job_that_is_enqueued_through_a_base_class_has_the_lock_of_the_class_that_the_container_creates()
    {
        using ServiceProvider itself = Services();
        Assert.Null(LockOf<Import>(itself, "Run"));

        using ServiceProvider derived = Services(null, s => s.AddTransient<Import, LockedImport>());
        Assert.Equal("import", LockOf<Import>(derived, "Run"));

        // A class that needs no lock must not wait for that of another one.
        using ServiceProvider unknown = Services(null, s => s.AddTransient(_ => new Import()));
        Assert.Null(LockOf<Import>(unknown, "Run"));
    }

    [Fact]
    public void The_container_decides_between_implementations_with_different_locks()
    {
        using ServiceProvider undecided = Services();
        TaskLockException error = Assert.Throws<TaskLockException>(() => LockOf<ISeveral>(undecided, "Run"));
        Assert.Contains("'several-1' on ", error.Message, StringComparison.Ordinal);
        Assert.Contains("Fix: put [TaskLock] on the interface", error.Message, StringComparison.Ordinal);

        using ServiceProvider decided = Services(null, s => s.AddTransient<ISeveral, SecondOfSeveral>());
        Assert.Equal("several-2", LockOf<ISeveral>(decided, "Run"));
    }

    private static string? LockOf<T>(IServiceProvider services, string method)
    {
        MethodInfo enqueued = typeof(T).GetMethod(method)!;
        return services.GetRequiredService<LockPolicies>().Find(typeof(T), enqueued)?.Template;
    }

    private static ServiceProvider Services(Action<JobLockingOptions>? configure = null, Action<IServiceCollection>? register = null)
    {
        ServiceCollection services = new();
        services.AddJobLocking(configure);
        register?.Invoke(services);
        return services.BuildServiceProvider();
    }
}
