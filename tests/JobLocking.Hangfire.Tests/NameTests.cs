using System.Linq.Expressions;
using Hangfire.Common;
using Hangfire.States;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class NameTests(SharedRedis redis)
{
    private static readonly Guid Id = Guid.Parse("0b3f5a8e-6d8f-4c53-9c39-9a1d5b0a7e11");

    public static TheoryData<string, Expression<Func<Named, Task>>> Templates => new()
    {
        { "index:7", n => n.ByIndex("other", 7) },
        { "name:8", n => n.ByName("other", 8) },
        { $"property:{Id}", n => n.ByProperty(new Order(Id, null)) },
    };

    [Theory]
    [MemberData(nameof(Templates), DisableDiscoveryEnumeration = true)]
    public async Task The_name_is_made_from_the_arguments_of_the_job(string name, Expression<Func<Named, Task>> call)
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");

        await cluster.SucceedsAsync(cluster.Client.Create(Job.FromExpression(call), new EnqueuedState()));

        Assert.Equal([name, name], cluster.Stage["named"].Locks);
    }

    [Fact]
    public async Task An_argument_without_a_value_fails_the_job_with_its_placeholder()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");

        string job = cluster.Client.Create(Job.FromExpression<Named>(n => n.ByNothing(new Order(Id, null))), new EnqueuedState());

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.Equal(typeof(TaskLockException).FullName, failed.Data["ExceptionType"]);
        Assert.StartsWith($"Lock 'null:{{order.Note}}' of job {typeof(Named)}.ByNothing: placeholder {{order.Note}} resolves to nothing.", failed.Data["ExceptionMessage"], StringComparison.Ordinal);
        Assert.Equal(0, cluster.Stage["named"].Begun);
    }
}
