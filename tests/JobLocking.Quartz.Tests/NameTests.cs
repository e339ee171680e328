using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

public sealed class NameTests(SharedRedis redis)
{
    [Fact]
    public async Task A_placeholder_stands_for_a_value_of_the_job_data()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<CustomerJob>("one", t => t.UsingJobData("customer", 17), j => j.UsingJobData("region", "eu"));
        await a.Firings.EndedAsync(1);

        Assert.Equal("customer:eu:17", Assert.Single(cluster.Journal.Runs).Told);
    }

    [Fact]
    public async Task A_property_that_hides_another_is_the_one_that_is_read()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<OrderJob>("one", detail: j => j.UsingJobData("order", new Order { Id = "7" }));
        await a.Firings.EndedAsync(1);

        Assert.Equal("order:7", Assert.Single(cluster.Journal.Runs).Told);
    }

    [Fact]
    public async Task The_data_of_the_trigger_wins_over_that_of_the_job()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<CustomerJob>("one", t => t.UsingJobData("customer", 17), j => j.UsingJobData("region", "eu").UsingJobData("customer", 4));
        await a.Firings.EndedAsync(1);

        Assert.Equal("customer:eu:17", Assert.Single(cluster.Journal.Runs).Told);
    }

    [Fact]
    public async Task A_missing_value_fails_the_job_and_is_named()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<CustomerJob>("one", t => t.UsingJobData("customer", 17));
        Firings.Ended ended = await a.Firings.EndedAsync(1);

        Assert.Equal(ExecutionOutcome.Failed, ended.Outcome);
        Assert.Contains("{region}", Assert.IsType<TaskLockException>(ended.Error!.InnerException).Message, StringComparison.Ordinal);
        Assert.Empty(cluster.Journal.Runs);
    }

    [Fact]
    public async Task A_job_with_an_input_is_locked_by_its_properties()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<InvoiceJob>("one", detail: j => j.UsingInput(new Invoice(17, "eu")));
        Firings.Ended ended = await a.Firings.EndedAsync(1);

        Assert.True(ended.IsRun, $"{ended}");
        Assert.Equal("invoice:17", Assert.Single(cluster.Journal.Runs).Told);
    }

    [Fact]
    public async Task A_deferral_keeps_the_input()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");
        TaskLease held = await a.HoldAsync("number:17");

        await a.FireAsync<NumberJob>("one", t => t.UsingJobData(SchedulerConstants.JobInput, 17));
        await a.Firings.EndedAsync(e => e.IsDeferred);
        await held.DisposeAsync();
        await a.Firings.EndedAsync(e => e.IsRun);

        Assert.Equal("number:17", Assert.Single(cluster.Journal.Runs).Told);
    }

    [Fact]
    public async Task A_missing_input_fails_the_job()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<InvoiceJob>("one");
        Firings.Ended ended = await a.Firings.EndedAsync(1);

        Assert.Contains("{input.Number}", Assert.IsType<TaskLockException>(ended.Error!.InnerException).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_property_that_the_input_does_not_have_stops_the_start()
    {
        await using Cluster cluster = new(redis);

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => cluster.StartAsync("a", n =>
        {
            n.Lock("one", new TaskLockAttribute("invoice:{input.Missing}:{other.Thing}"));
            n.Quartz = q => q.AddJob<InvoiceJob>(j => j.WithIdentity("one").StoreDurably());
        }));

        Assert.Equal(
            $"Lock 'invoice:{{input.Missing}}:{{other.Thing}}' of job DEFAULT.one: Name has the placeholder {{input.Missing}}, but {typeof(Invoice)} has no public property 'Missing'. Fix: use {{input.Number}}, {{input.Region}}, or write {{{{ for a literal brace.",
            error.Message);
    }

    [Fact]
    public async Task A_lease_that_is_read_in_the_constructor_fails_with_the_hint_to_read_it_in_Execute()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a");

        await a.FireAsync<HastyJob>("one");
        await Eventually.IsTrueAsync(() => HastyJob.Failure is not null);

        Assert.Contains("no lease before Execute, so do not read it in the constructor", HastyJob.Failure!.Message, StringComparison.Ordinal);
    }

    internal sealed record Invoice(int Number, string Region);

    [TaskLock("customer:{region}:{customer}")]
    internal sealed class CustomerJob(Journal journal, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken, lease.Required.Name);
    }

    [TaskLock("invoice:{input.Number}")]
    internal sealed class InvoiceJob(Journal journal, ITaskLeaseAccessor lease) : IJob<Invoice>
    {
        public ValueTask Execute(IJobExecutionContext context, Invoice input, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken, lease.Required.Name);
    }

    internal sealed class NumberJob(Journal journal, ITaskLeaseAccessor lease) : IJob<int>
    {
        [TaskLock("number:{input}", DeferBy = 1)]
        public ValueTask Execute(IJobExecutionContext context, int input, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken, lease.Required.Name);
    }

    internal class Document
    {
        public object Id { get; init; } = 0;
    }

    internal sealed class Order : Document
    {
        public new required string Id { get; init; }
    }

    [TaskLock("order:{order.Id}")]
    internal sealed class OrderJob(Journal journal, ITaskLeaseAccessor lease) : IJob
    {
        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) =>
            journal.RunAsync(context, cancellationToken, lease.Required.Name);
    }

    /// <summary>Asks for its lease in its constructor, which Quartz calls before the middleware acquires the lock.</summary>
    [TaskLock("hasty")]
    internal sealed class HastyJob : IJob
    {
        public HastyJob(ITaskLeaseAccessor lease)
        {
            try
            {
                _ = lease.Required;
            }
            catch (TaskLockException e)
            {
                Failure = e;
                throw;
            }
        }

        public static TaskLockException? Failure { get; private set; }

        public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => default;
    }
}
