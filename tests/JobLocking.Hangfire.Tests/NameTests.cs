using System.Linq.Expressions;
using Hangfire.Common;
using Hangfire.States;
using Newtonsoft.Json.Linq;
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

        Assert.Equal([name, name], cluster.Probes["named"].Locks);
    }

    [Fact]
    public async Task One_instant_is_one_lock_whatever_its_kind_and_offset_and_inside_an_argument_too()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");
        DateTimeOffset instant = new(2026, 11, 29, 23, 0, 0, TimeSpan.Zero);
        DateTimeOffset elsewhere = instant.ToOffset(TimeSpan.FromHours(5));

        foreach (Expression<Func<Named, Task>> call in new Expression<Func<Named, Task>>[]
        {
            n => n.ByTime(instant.UtcDateTime),
            n => n.ByTime(instant.LocalDateTime),
            n => n.ByInstant(instant),
            n => n.ByInstant(elsewhere),
            n => n.ByTimeOf(new Appointment(instant.LocalDateTime, elsewhere)),
            n => n.ByInstantOf(new Appointment(instant.UtcDateTime, elsewhere)),
            n => n.ByJson(new JValue(instant.LocalDateTime)),
        })
        {
            await cluster.SucceedsAsync(cluster.Client.Create(Job.FromExpression(call), new EnqueuedState()));
        }

        Assert.Equal("day:2026-11-29T23%3A00%3A00Z", Assert.Single(cluster.Probes["named"].Locks.Distinct()));
    }

    [Fact]
    public async Task A_time_without_a_kind_stays_without_one()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");

        await cluster.SucceedsAsync(cluster.Client.Create(
            Job.FromExpression<Named>(n => n.ByTime(new DateTime(2026, 11, 30, 0, 0, 0, DateTimeKind.Unspecified))), new EnqueuedState()));

        Assert.Equal("day:2026-11-30T00%3A00%3A00", cluster.Probes["named"].Locks.First());
    }

    [Fact]
    public async Task A_property_that_the_argument_does_not_have_stops_the_start()
    {
        await using Cluster cluster = redis.NewCluster();

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => cluster.StartAsync(
            "a", o => o.ForJob<Named>(nameof(Named.ByProperty), new TaskLockAttribute("order:{order.Missing}:{0.Id}"))));

        Assert.Equal(
            $"Lock 'order:{{order.Missing}}:{{0.Id}}' of job {typeof(Named)}.ByProperty: Name has the placeholder {{order.Missing}}, but {typeof(Order)} has no public property 'Missing'. Fix: use {{order.Id}}, {{order.Note}}, or write {{{{ for a literal brace.",
            error.Message);
    }

    [Fact]
    public async Task An_argument_without_a_value_fails_the_job_with_its_placeholder()
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a");

        string job = cluster.Client.Create(Job.FromExpression<Named>(n => n.ByNothing(new Order(Id, null))), new EnqueuedState());

        JobState failed = await cluster.SeesAsync(job, FailedState.StateName);
        Assert.Equal(typeof(TaskLockException).FullName, failed.Data["ExceptionType"]);
        Assert.StartsWith($"Lock 'null:{{order.Note}}' of job {typeof(Named)}.ByNothing: placeholder {{order.Note}} has no value.", failed.Data["ExceptionMessage"], StringComparison.Ordinal);
        Assert.Equal(0, cluster.Probes["named"].Begun);
    }
}
