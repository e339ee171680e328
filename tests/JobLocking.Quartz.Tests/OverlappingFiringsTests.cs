using Microsoft.Extensions.Time.Testing;
using NSubstitute;
using Quartz;
using Quartz.Extensibility;
using Quartz.Impl;

namespace JobLocking.Quartz.Tests;

/// <summary>Under <see cref="OverlapPolicy.CancelPrevious"/> the newest firing does the work.</summary>
public sealed class OverlappingFiringsTests(SharedRedis redis)
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Each_firing_takes_over_the_lock_from_the_one_it_cancels()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("follow")));
        cluster.Journal.Do = (_, token) => Task.Delay(Timeout.Infinite, token);

        await a.FireRecurringAsync(trigger: t => t.WithOverlapPolicy(OverlapPolicy.CancelPrevious));
        for (int run = 1; run < 5; run++)
        {
            // Quartz interrupts no firing that it has not begun to run.
            await cluster.Journal.BegunAsync(run);
            await FireAgainAsync(a);
        }

        await cluster.Journal.BegunAsync(5);
        Assert.All(a.Firings.All, e => Assert.Equal(ExecutionOutcome.Cancelled, e.Outcome));
        Assert.Equal(1, cluster.Journal.MostAtOnce);
    }

    [Fact]
    public async Task A_firing_that_was_deferred_is_cancelled_by_the_next_like_any_other()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("follow")));
        cluster.Journal.Do = (_, token) => Task.Delay(Timeout.Infinite, token);
        TaskLease other = await a.HoldAsync("follow");
        await a.FireRecurringAsync(trigger: t => t.WithOverlapPolicy(OverlapPolicy.CancelPrevious));
        await a.QueuedAsync("follow", 1);
        await other.DisposeAsync();
        await cluster.Journal.BegunAsync(1);

        await FireAgainAsync(a);

        await cluster.Journal.BegunAsync(2);
        Assert.Equal(1, cluster.Journal.MostAtOnce);
    }

    [Fact]
    public async Task The_run_of_another_node_is_not_taken_over()
    {
        await using Cluster cluster = new(redis);
        Node a = await cluster.StartAsync("a", n => n.Lock(new TaskLockAttribute("follow")));
        Node b = await cluster.StartAsync("b", n => n.Lock(new TaskLockAttribute("follow")));
        cluster.Journal.HoldFirst();
        await a.FireRecurringAsync(trigger: t => t.WithOverlapPolicy(OverlapPolicy.CancelPrevious));
        await cluster.Journal.BegunAsync(1);

        await b.FireRecurringAsync(trigger: t => t.WithOverlapPolicy(OverlapPolicy.CancelPrevious));

        Firings.Ended ended = await b.Firings.EndedAsync(1);
        Assert.True(ended.IsSkipped, $"{ended}");
        Assert.Equal(1, cluster.Journal.Running);
    }

    [Fact]
    public async Task A_firing_waits_for_all_that_were_interrupted_for_it_and_for_no_others()
    {
        OverlappingFirings overlapping = All();
        using CancellationTokenSource interrupted = new();
        OverlappingFirings.Member[] before = [Enter(overlapping, interrupted.Token), Enter(overlapping, interrupted.Token)];
        using OverlappingFirings.Member other = Enter(overlapping, interrupted.Token, trigger: "other");
        using OverlappingFirings.Member running = Enter(overlapping, CancellationToken.None);
        using OverlappingFirings.Member newest = Enter(overlapping, CancellationToken.None);
        Task none = overlapping.PredecessorsEndedAsync(newest, Token).AsTask();
        Assert.True(none.IsCompleted);
        await interrupted.CancelAsync();

        Task waits = overlapping.PredecessorsEndedAsync(newest, Token).AsTask();
        before[0].Dispose();
        Assert.False(waits.IsCompleted);
        before[1].Dispose();
        await waits;
    }

    [Fact]
    public async Task A_firing_that_ignores_its_interruption_is_waited_for_only_for_a_while()
    {
        OverlappingFirings overlapping = All();
        using OverlappingFirings.Member before = Enter(overlapping, new CancellationToken(canceled: true));
        using OverlappingFirings.Member newest = Enter(overlapping, CancellationToken.None);

        Task waits = overlapping.PredecessorsEndedAsync(newest, Token).AsTask();
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.False(waits.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        await waits;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_firing_waits_no_longer_when_it_is_interrupted_itself_or_the_host_stops(bool stops)
    {
        using HostShutdown stop = new(host: null, _time);
        OverlappingFirings overlapping = new(new SchedulerShutdown(stop), _time);
        using CancellationTokenSource interrupted = new();
        using OverlappingFirings.Member before = Enter(overlapping, new CancellationToken(canceled: true));
        using OverlappingFirings.Member newest = Enter(overlapping, interrupted.Token);

        Task waits = overlapping.PredecessorsEndedAsync(newest, interrupted.Token).AsTask();
        Assert.False(waits.IsCompleted);
        await (stops ? stop.BeginAsync(Token) : interrupted.CancelAsync());
        await waits;
    }

    [Theory]
    [InlineData(OverlapPolicy.Default)]
    [InlineData(OverlapPolicy.AllowAll)]
    [InlineData(OverlapPolicy.BufferOne)]
    public void Firings_that_cancel_none_wait_for_none(OverlapPolicy policy) => Assert.Null(All().Enter(Firing.Of(Context("work", policy, CancellationToken.None))));

    private static async Task FireAgainAsync(Node node)
    {
        TriggerKey trigger = new($"{Work.Name}-trigger");
        ITrigger again = (await node.Scheduler.GetTrigger(trigger))!.GetTriggerBuilder().StartNow().Build();
        await node.Scheduler.RescheduleJob(trigger, again);
    }

    private OverlappingFirings All() => new(new SchedulerShutdown(new HostShutdown(host: null, _time)), _time);

    private static OverlappingFirings.Member Enter(OverlappingFirings overlapping, CancellationToken interruption, string trigger = "work") =>
        overlapping.Enter(Firing.Of(Context(trigger, OverlapPolicy.CancelPrevious, interruption)))!;

    private static JobExecutionContextImpl Context(string trigger, OverlapPolicy policy, CancellationToken interruption) =>
        JobExecutionContextBuilder.For(new WorkJob(new Journal()))
            .WithTrigger(TriggerBuilder.Create().WithIdentity(trigger).WithOverlapPolicy(policy).Build())
            .WithScheduler(Substitute.For<IScheduler>())
            .WithCancellation(interruption)
            .Build();
}
