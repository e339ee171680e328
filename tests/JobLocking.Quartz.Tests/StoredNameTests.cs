using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>A store in memory returns a value as it is, a database as JSON represents it: the lock is the same.</summary>
public sealed class StoredNameTests(SharedRedis redis, SharedStore store) : IClassFixture<SharedStore>
{
    private static readonly DateTimeOffset Instant = new(2026, 11, 29, 23, 0, 0, TimeSpan.Zero);

    private static readonly Guid Id = Guid.Parse("0b3f5a8e-6d8f-4c53-9c39-9a1d5b0a7e11");

    /// <summary>Each value, and the name that it gives.</summary>
    private static readonly (object Value, string Name)[] Values =
    [
        ("text", "text"),
        (17, "17"),
        (-17L, "-17"),
        (long.MaxValue, "9223372036854775807"),
        (true, "True"),
        ('c', "c"),
        (Id, $"{Id}"),
        (1.5, "1.5"),
        (3.0, "3"),
        (-0.0, "0"),
        (1e18, "1E+18"),
        (0.1f, "0.1"),
        (1e9f, "1000000000"),
        (1.50m, "1.5"),
        (2.00m, "2"),
        (100_000_000_000_000_000_000m, "1E+20"),
        (TimeSpan.FromMinutes(90), "01%3A30%3A00"),
        (TimeSpan.FromTicks(1), "00%3A00%3A00.0000001"),
        (new DateOnly(2026, 11, 30), "2026-11-30"),
        (new TimeOnly(12, 30), "12%3A30%3A00"),
        (new TimeOnly(12, 30, 0, 500), "12%3A30%3A00.5000000"),
        (DayOfWeek.Tuesday, "2"),
        (Instant, "2026-11-29T23%3A00%3A00Z"),
        (Instant.ToOffset(TimeSpan.FromHours(5)), "2026-11-29T23%3A00%3A00Z"),
        (Instant.UtcDateTime, "2026-11-29T23%3A00%3A00Z"),
        (Instant.LocalDateTime, "2026-11-29T23%3A00%3A00Z"),
        (Instant.LocalDateTime.AddTicks(10), "2026-11-29T23%3A00%3A00.000001Z"),
        (DateTime.SpecifyKind(Instant.UtcDateTime, DateTimeKind.Unspecified), "2026-11-29T23%3A00%3A00"),
        ("2026-11-30T04:00:00+05:00", "2026-11-29T23%3A00%3A00Z"),
        ("2026-11-30T04:00:00 +05:00", "2026-11-30T04%3A00%3A00 +05%3A00"),
    ];

    [Fact]
    public async Task A_value_of_the_job_data_has_the_same_name_from_memory_and_from_a_database()
    {
        await using Cluster cluster = new(redis);
        foreach (Node node in await StartBothAsync(cluster))
        {
            for (int i = 0; i < Values.Length; i++)
            {
                await node.FireAsync<ValueJob>($"value-{i}", t => t.UsingJobData("value", Values[i].Value));
            }

            await node.Firings.EndedAsync(Values.Length);
            Assert.Equal(Expected(node), Told(cluster, node));
        }

        static string[] Expected(Node node) => [.. Values.Select((v, i) => $"value-{i}: value:{v.Name}").Order(StringComparer.Ordinal)];
    }

    [Fact]
    public async Task An_object_in_the_job_data_has_the_same_name_from_memory_and_from_a_database()
    {
        Visit visit = new("north", Instant.LocalDateTime, Instant.ToOffset(TimeSpan.FromHours(5)), Id);
        await using Cluster cluster = new(redis);
        foreach (Node node in await StartBothAsync(cluster))
        {
            await node.FireAsync<VisitJob>("data", t => t.UsingJobData("visit", visit));
            await node.FireAsync<InputJob>("input", detail: j => j.UsingInput(visit));
            await node.Firings.EndedAsync(2);

            string name = $"north:2026-11-29T23%3A00%3A00Z:2026-11-29T23%3A00%3A00Z:{Id}";
            Assert.Equal([$"data: visit:{name}", $"input: input:{name}"], Told(cluster, node));
        }
    }

    [Fact]
    public async Task A_number_that_a_database_would_change_is_refused_while_it_still_has_all_its_digits()
    {
        await using Cluster cluster = new(redis);
        Node node = await cluster.StartAsync("memory");

        foreach (object tooLong in new object[] { 0.1234567890123456789m, decimal.MaxValue, ulong.MaxValue })
        {
            await node.FireAsync<ValueJob>($"{tooLong}", t => t.UsingJobData("value", tooLong));
            Firings.Ended ended = await node.Firings.EndedAsync(e => e.Job.Name == $"{tooLong}");

            string message = Assert.IsType<TaskLockException>(ended.Error!.InnerException).Message;
            Assert.StartsWith($"Lock 'value:{{value}}' of job {typeof(ValueJob)}", message, StringComparison.Ordinal);
            Assert.Contains("Fix: store it in the job data as a string", message, StringComparison.Ordinal);
        }

        Assert.Empty(cluster.Journal.Runs);
    }

    private static string[] Told(Cluster cluster, Node node) =>
        [.. cluster.Journal.Runs.Where(run => run.Scheduler == node.Scheduler.SchedulerName).Select(run => $"{run.Job.Name}: {run.Told}").Order(StringComparer.Ordinal)];

    private async Task<Node[]> StartBothAsync(Cluster cluster) =>
    [
        await cluster.StartAsync("memory", n => n.Scheduler = "memory"),
        await cluster.StartAsync("database", n =>
        {
            n.Scheduler = $"database {Guid.NewGuid():N}";
            store.Use(n);
        }),
    ];

    internal sealed record Visit(string Region, DateTime Day, DateTimeOffset Instant, Guid Id);

    [TaskLock("value:{value}", Limit = 1000)]
    internal sealed class ValueJob(Journal journal, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken, lease.Required.Name);
    }

    [TaskLock("visit:{visit.Region}:{visit.Day}:{visit.Instant}:{visit.Id}")]
    internal sealed class VisitJob(Journal journal, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken, lease.Required.Name);
    }

    [TaskLock("input:{input.Region}:{input.Day}:{input.Instant}:{input.Id}")]
    internal sealed class InputJob(Journal journal, ITaskLeaseAccessor lease) : IJob<Visit>
    {
        public ValueTask Execute(IJobExecutionContext context, Visit input, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken, lease.Required.Name);
    }
}
