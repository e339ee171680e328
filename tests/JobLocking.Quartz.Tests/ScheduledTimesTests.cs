using System.Globalization;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Quartz;
using Quartz.Impl.Calendar;

namespace JobLocking.Quartz.Tests;

/// <summary>Which fire times of a schedule run, each once over all nodes, on both kinds of store.</summary>
public sealed class ScheduledTimesTests(SharedRedis redis, SharedStore database) : IClassFixture<SharedStore>
{
    private static readonly TimeZoneInfo Berlin = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin");

    // Half an hour from all that is to come.
    private readonly DateTimeOffset _now = Fleet.Now();

    public static TheoryData<TriggerStores, CronTriggerMisfireInstruction, int> Misfires => new(
        from stores in Enum.GetValues<TriggerStores>()
        from policy in new (CronTriggerMisfireInstruction Instruction, int Runs)[]
        {
            (CronTriggerMisfireInstruction.SmartPolicy, Runs: 1),
            (CronTriggerMisfireInstruction.FireAndProceed, 1),
            (CronTriggerMisfireInstruction.DoNothing, 0),
            (CronTriggerMisfireInstruction.IgnoreMisfires, 3),
        }
        select new TheoryDataRow<TriggerStores, CronTriggerMisfireInstruction, int>(stores, policy.Instruction, policy.Runs));

    public static TheoryData<TriggerStores, CronTriggerMisfireInstruction, int> MisfiresWithCalendar => new(
        from stores in Enum.GetValues<TriggerStores>()
        from policy in new (CronTriggerMisfireInstruction Instruction, int Runs)[]
        {
            (CronTriggerMisfireInstruction.FireAndProceed, Runs: 1),
            (CronTriggerMisfireInstruction.IgnoreMisfires, 2),
        }
        select new TheoryDataRow<TriggerStores, CronTriggerMisfireInstruction, int>(stores, policy.Instruction, policy.Runs));

    /// <summary>
    /// Times in Berlin: 02:00 to 03:00 is missing in March, and occurs twice in October. Quartz fires a missing time at 03:00, and a time
    /// that occurs twice at the first; hours that are not named are all hours.
    /// </summary>
    public static TheoryData<TriggerStores, string, string, string[]> DaylightSaving => new(
        from stores in Enum.GetValues<TriggerStores>()
        from night in new (string Cron, string Midnight, string[] Expected)[]
        {
            ("0 30 * * * ?", "2026-10-25T00:00+02:00", ["00:30+02:00", "01:30+02:00", "02:30+02:00", "02:30+01:00", "03:30+01:00"]),
            ("0 30 2 * * ?", "2026-10-25T00:00+02:00", ["02:30+02:00"]),
            ("0 30 * * * ?", "2026-03-29T00:00+01:00", ["00:30+01:00", "01:30+01:00", "03:00+02:00", "03:30+02:00", "04:30+02:00", "05:30+02:00"]),
            ("0 30 2 * * ?", "2026-03-29T00:00+01:00", ["03:00+02:00"]),
        }
        select new TheoryDataRow<TriggerStores, string, string, string[]>(stores, night.Cron, night.Midnight, night.Expected));

    /// <summary>The nodes have missed different times: one has known the trigger for longer.</summary>
    [Theory]
    [MemberData(nameof(Misfires))]
    public async Task A_cron_that_misfired_is_made_up_for_as_its_policy_says(
        TriggerStores stores, CronTriggerMisfireInstruction policy, int runs)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);

        await ScheduleMissedAsync(fleet, policy, runs);
        await MadeUpAsync(fleet, policy, runs);

        Assert.Equal(runs, fleet.Journal.Runs.Count);
        if (policy == CronTriggerMisfireInstruction.IgnoreMisfires)
        {
            Assert.Equal([HoursAgo(2.5), HoursAgo(1.5), HoursAgo(0.5)], fleet.Occurrences);
        }
    }

    [Theory]
    [MemberData(nameof(MisfiresWithCalendar))]
    public async Task A_calendar_excludes_occurrences_and_does_not_stop_the_deferrals_of_others(
        TriggerStores stores, CronTriggerMisfireInstruction policy, int runs)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        CronCalendar lastMissed = new(null, $"* {HoursAgo(0.5).Minute} {HoursAgo(0.5).Hour} * * ?", TimeZoneInfo.Utc);
        string minutes = string.Join(',', Enumerable.Range(0, 10).Select(i => _now.AddMinutes(i).Minute).Order());
        CronCalendar andNow = new(lastMissed, $"* {minutes} * * * ?", TimeZoneInfo.Utc);
        await fleet.OnEachStoreAsync(s => s.AddCalendar("open", andNow, cancellationToken: Token));
        TaskLease held = await fleet.First.HoldAsync(Fleet.LockName);

        await ScheduleMissedAsync(fleet, policy, runs, t => t.WithCalendarName("open"));
        await fleet.FiredAsync(FiringsOf(policy, runs));
        Assert.All(fleet.Ended, e => Assert.True(e.IsDeferred, $"{e}"));
        await held.DisposeAsync();
        await MadeUpAsync(fleet, policy, runs);

        Assert.Equal(runs, fleet.Journal.Runs.Count);
        Assert.DoesNotContain(HoursAgo(0.5), fleet.Occurrences);
    }

    [Theory]
    [InlineData(TriggerStores.Unshared)]
    [InlineData(TriggerStores.Clustered)]
    public async Task The_last_occurrence_before_the_end_time_runs_after_it_if_it_met_the_one_before(TriggerStores stores)
    {
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores);
        fleet.Journal.HoldFirst();
        DateTimeOffset first = Fleet.Now();
        DateTimeOffset last = first.AddSeconds(1);

        await fleet.ScheduleAsync<WorkJob>(first, (t, _) => t
            .StartAt(first)
            .EndAt(last.AddMilliseconds(500))
            .WithSchedule(CronScheduleBuilder.Create("* * * * * ?"))
            .WithMisfireThreshold(TimeSpan.FromMinutes(2)));
        await fleet.OnEachStoreAsync((node, _) =>
            Eventually.IsTrueAsync(async () => await node.Scheduler.GetTrigger(Fleet.Trigger, Token) is null));
        await Eventually.IsTrueAsync(() => fleet.Ended.Count() == (2 * fleet.Stores.Count) - 1);
        fleet.Journal.LetAllEnd();
        await fleet.Journal.BegunAsync(2);
        await fleet.IdleAsync();

        Assert.Equal([first, last], fleet.Occurrences);
        Assert.Equal(1, fleet.Journal.MostAtOnce);
        await fleet.OnEachStoreAsync((node, _) =>
            Eventually.IsTrueAsync(async () => !await node.Scheduler.Exists(new JobKey(Work.Name), Token)));
    }

    [Theory]
    [MemberData(nameof(DaylightSaving))]
    public async Task In_a_night_in_which_the_clocks_change_each_instant_runs_once(
        TriggerStores stores, string cron, string midnight, string[] expected)
    {
        DateTimeOffset begin = DateTimeOffset.Parse(midnight, CultureInfo.InvariantCulture);
        Fleet.MovedClock clock = new(TimeProvider.System) { By = begin.AddHours(5) - DateTimeOffset.UtcNow };
        await using Fleet fleet = await Fleet.StartAsync(redis, database, stores, configure: n =>
        {
            n.Quartz += q => q.UseTimeProvider(clock);
            n.Services += s => s.Replace(ServiceDescriptor.Singleton<TimeProvider>(clock));
        });
        DateTimeOffset[] instants =
            [.. expected.Select(time => DateTimeOffset.Parse($"{begin:yyyy-MM-dd}T{time}", CultureInfo.InvariantCulture))];

        await fleet.ScheduleAsync<WorkJob>(
            begin,
            (t, _) => t.StartAt(begin).WithSchedule(
                CronScheduleBuilder.Create(cron).InTimeZone(Berlin).WithMisfireInstruction(CronTriggerMisfireInstruction.IgnoreMisfires)),
            inTurn: _ => instants.Length);
        await fleet.FiredAsync(instants.Length);
        await fleet.Journal.BegunAsync(instants.Length);
        await fleet.IdleAsync();

        Assert.Equal(instants.Select(instant => instant.ToUniversalTime()), fleet.Occurrences);
    }

    private DateTimeOffset HoursAgo(double hours)
    {
        DateTimeOffset time = _now.AddHours(-hours);
        return time.AddSeconds(-time.Second);
    }

    /// <summary>Three times have passed, for the second store two.</summary>
    private Task ScheduleMissedAsync(
        Fleet fleet, CronTriggerMisfireInstruction policy, int runs, Action<TriggerBuilder<IJob>>? trigger = null) =>
        fleet.ScheduleAsync<WorkJob>(
            _now.AddHours(-3),
            (t, i) =>
            {
                t.StartAt(_now.AddHours(i - 3)).WithSchedule(Fleet.HourlyAt(HoursAgo(0.5)).WithMisfireInstruction(policy));
                trigger?.Invoke(t);
            },
            inTurn: FiringsOf(policy, runs));

    /// <summary>How often the trigger of each store fires: the second has missed one time less, which matters if it fires for each.</summary>
    private static Func<int, int> FiringsOf(CronTriggerMisfireInstruction policy, int runs) =>
        store => policy == CronTriggerMisfireInstruction.IgnoreMisfires ? runs - store : runs;

    /// <summary>Waits until the next time of the trigger is one to come.</summary>
    private async Task MadeUpAsync(Fleet fleet, CronTriggerMisfireInstruction policy, int runs)
    {
        await fleet.OnEachStoreAsync((node, _) =>
            Eventually.IsTrueAsync(async () => (await node.Scheduler.GetTrigger(Fleet.Trigger, Token))!.NextFireTimeUtc > _now));
        await fleet.FiredAsync(FiringsOf(policy, runs));
        if (runs > 0)
        {
            await fleet.Journal.BegunAsync(runs);
        }

        await fleet.IdleAsync();
    }
}
