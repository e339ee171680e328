using System.Reflection;
using JobLocking.Stores;
using Xunit;

namespace JobLocking.Tests;

public sealed class HouseRulesTests
{
    private static readonly Assembly Core = typeof(TaskLockAttribute).Assembly;

    [Fact]
    public void Every_class_is_sealed_or_a_closed_base()
    {
        string[] allowed = [nameof(TaskLockException), "LockDecision", "LockNotification"];
        IEnumerable<string> open = Core.GetTypes()
            .Where(t => t.IsClass && !t.IsSealed && !t.IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute)))
            .Select(t => t.Name)
            .Where(name => !name.StartsWith('<'))
            .Except(allowed);
        Assert.Empty(open);
    }

    [Fact]
    public void Public_types_are_at_the_root_or_in_one_of_the_three_back_doors()
    {
        string[] doors = ["JobLocking", "JobLocking.Engine", "JobLocking.Policy", "JobLocking.Stores", "Microsoft.Extensions.DependencyInjection"];
        Assert.All(Core.GetExportedTypes(), t => Assert.Contains(t.Namespace, doors));
    }

    [Fact]
    public void Core_depends_on_no_scheduler_no_store_and_no_telemetry_library()
    {
        Assert.DoesNotContain(Core.GetReferencedAssemblies(), a => a.Name is { } name &&
            (name.StartsWith("Quartz", StringComparison.Ordinal) || name.StartsWith("Hangfire", StringComparison.Ordinal)
                || name.StartsWith("StackExchange", StringComparison.Ordinal) || name.StartsWith("OpenTelemetry", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_attribute_is_no_filter_and_nothing_can_be_injected_into_it()
    {
        Assert.Equal(typeof(Attribute), typeof(TaskLockAttribute).BaseType);
        Assert.Empty(typeof(TaskLockAttribute).GetInterfaces());
    }

    [Fact]
    public void The_stores_of_core_are_internal()
    {
        Assert.DoesNotContain(Core.GetExportedTypes(), t => t.IsClass && t.IsAssignableTo(typeof(ILockStore)));
    }
}
