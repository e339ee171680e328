using JobLocking.TestKit;
using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>What becomes of a pending deferral when an operator changes its trigger or its job, on both kinds of store.</summary>
public sealed class OperatorTests(SharedRedis redis, SharedStore database) : IClassFixture<SharedStore>
{
    private static readonly GroupMatcher<TriggerKey> DefaultGroup = GroupMatcher<TriggerKey>.GroupEquals(TriggerKey.DefaultGroup);
    private static readonly GroupMatcher<TriggerKey> Deferrals = GroupMatcher<TriggerKey>.GroupEquals("joblocking");
    private static readonly JobKey Job = new(Work.Name);

    public static TheoryData<TriggerStores, bool> StoresAndFlag => new()
    {
        { TriggerStores.Unshared, false },
        { TriggerStores.Unshared, true },
        { TriggerStores.Clustered, false },
        { TriggerStores.Clustered, true },
    };

    [Theory]
    [MemberData(nameof(StoresAndFlag))]
    public async Task Pausing_a_trigger_or_its_group_does_not_pause_its_deferral(TriggerStores stores, bool group)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        (TaskLease held, DateTimeOffset time) = await fleet.DeferAsync<WorkJob>();

        await fleet.OnEachStoreAsync(async s =>
        {
            if (group)
            {
                await s.PauseTriggerGroups(DefaultGroup, Token);
            }
            else
            {
                Assert.True(await s.PauseTrigger(Fleet.Trigger, Token));
            }
        });
        await held.DisposeAsync();
        await fleet.Journal.BegunAsync(1);
        await fleet.IdleAsync();

        Assert.Equal([time], fleet.Occurrences);
        await fleet.OnEachStoreAsync(async s => Assert.Equal(TriggerState.Paused, await s.GetTriggerState(Fleet.Trigger, Token)));
    }

    /// <summary>
    /// A paused deferral declines its wake-up, so that another job gets the lock. When it is resumed it comes back at its time, or at once.
    /// </summary>
    [Theory]
    [MemberData(nameof(StoresAndFlag))]
    public async Task Pausing_the_job_or_the_group_of_the_deferrals_pauses_the_deferral_until_it_is_resumed(
        TriggerStores stores, bool group)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores, deferBy: 4);
        (TaskLease held, DateTimeOffset time) = await fleet.DeferAsync<WorkJob>();

        await fleet.OnEachStoreAsync(async s =>
        {
            if (group)
            {
                await s.PauseTriggerGroups(Deferrals, Token);
            }
            else
            {
                await s.PauseJob(Job, Token);
            }
        });
        await held.DisposeAsync();
        await fleet.First.FireOnceAsync(Work.Other);
        await fleet.Journal.BegunAsync(1);
        await fleet.OnEachStoreAsync(async (node, _) =>
            Assert.Equal(TriggerState.Paused, await node.Scheduler.GetTriggerState((await node.PendingDeferralAsync()).Key, Token)));

        await fleet.OnEachStoreAsync(async s =>
        {
            if (group)
            {
                await s.ResumeTriggerGroups(Deferrals, Token);
            }
            else
            {
                await s.ResumeJob(Job, Token);
            }
        });
        await fleet.Journal.BegunAsync(2);
        await fleet.IdleAsync();

        Assert.Equal([Work.Other, Work.Name], fleet.Journal.Runs.Select(r => r.Job.Name));
        Assert.Equal(time, fleet.Journal.Runs.Last().Context.GetOriginalFireTimeUtc());
    }

    [Theory]
    [MemberData(nameof(StoresAndFlag))]
    public async Task Rescheduling_or_unscheduling_a_trigger_leaves_its_deferral(TriggerStores stores, bool reschedule)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        (TaskLease held, DateTimeOffset time) = await fleet.DeferAsync<WorkJob>();

        await fleet.OnEachStoreAsync(async s =>
        {
            if (reschedule)
            {
                await s.RescheduleJob(
                    Fleet.Trigger,
                    TriggerBuilder.Create().WithIdentity(Fleet.Trigger).ForJob(Job)
                        .WithSchedule(Fleet.HourlyAt(time.AddMinutes(30))).Build(),
                    cancellationToken: Token);
            }
            else
            {
                await s.UnscheduleJob(Fleet.Trigger, Token);
            }
        });
        await held.DisposeAsync();
        await fleet.Journal.BegunAsync(1);
        await fleet.IdleAsync();

        Assert.Equal([time], fleet.Occurrences);
    }

    [Theory]
    [InlineData(TriggerStores.Unshared)]
    [InlineData(TriggerStores.Clustered)]
    public async Task Deleting_a_job_deletes_its_deferral_and_leaves_the_lock_to_the_next(TriggerStores stores)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        (TaskLease held, _) = await fleet.DeferAsync<WorkJob>();

        await fleet.OnEachStoreAsync(async s => Assert.True(await s.DeleteJob(Job, Token)));
        await fleet.IdleAsync();
        await fleet.First.FireOnceAsync(Work.Other);
        await Eventually.IsTrueAsync(() => fleet.Ended.Any(e => e.Job.Name == Work.Other));
        await held.DisposeAsync();
        await fleet.Journal.BegunAsync(1);
        await fleet.IdleAsync();

        Assert.Equal(Work.Other, Assert.Single(fleet.Journal.Runs).Job.Name);
    }
}
