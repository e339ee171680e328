using Quartz;

namespace JobLocking.Quartz.Tests;

/// <summary>Which triggers have the same fire times on every node: the rows of the table that depend on the trigger.</summary>
public sealed class OccurrenceRuleTests
{
    private static readonly DateTimeOffset Whole = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly JobKey Named = new("report");

    public static TheoryData<string, Action<TriggerBuilder<IJob>>> Told => new()
    {
        { "cron", t => t.WithCronSchedule("0 0 2 * * ?") },
        { "cron that starts now", t => t.StartNow().WithCronSchedule("0 0 2 * * ?") },
        { "daily", t => t.WithDailyTimeIntervalSchedule(s => s.WithInterval(5, IntervalUnit.Minute)) },
        { "calendar interval with a fixed start", t => t.StartAt(Whole).WithSchedule(CalendarIntervalScheduleBuilder.Create().WithInterval(1, IntervalUnit.Month)) },
        { "recurrence with a fixed start", t => t.StartAt(Whole).WithRecurrenceSchedule("FREQ=WEEKLY;BYDAY=MO") },
    };

    public static TheoryData<string, Action<TriggerBuilder<IJob>>, string> NotTold => new()
    {
        { "repeating simple", t => t.StartAt(Whole).WithSimpleSchedule(s => s.WithInterval(TimeSpan.FromMinutes(5)).RepeatForever()), "WithCronSchedule" },
        { "calendar interval", t => t.StartAt(Whole.AddTicks(1)).WithSchedule(CalendarIntervalScheduleBuilder.Create().WithInterval(1, IntervalUnit.Hour)), "StartAt" },
        { "recurrence", t => t.StartAt(Whole.AddTicks(1)).WithRecurrenceSchedule("FREQ=WEEKLY;BYDAY=MO"), "StartAt" },
        { "generated key with data", t => t.WithIdentity(Guid.NewGuid().ToString()).UsingJobData("region", "eu").WithCronSchedule("0 0 2 * * ?"), "WithIdentity" },
    };

    [Theory]
    [MemberData(nameof(Told))]
    public void A_trigger_with_the_same_fire_times_on_every_node_has_occurrences(string kind, Action<TriggerBuilder<IJob>> trigger) =>
        Assert.True(Judge(trigger) is null, kind);

    [Theory]
    [MemberData(nameof(NotTold))]
    public void A_trigger_whose_fire_times_may_differ_has_none_and_the_fix_is_named(string kind, Action<TriggerBuilder<IJob>> trigger, string fix)
    {
        NotToldApart? problem = Judge(trigger);

        Assert.True(problem is not null, kind);
        Assert.Contains(fix, problem.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void A_trigger_that_fires_once_has_nothing_to_tell_apart_unless_each_time_is_to_run_once()
    {
        Assert.Same(NotToldApart.FiresOnce, Judge(t => t.StartNow()));
        Assert.Null(Judge(t => t.StartNow(), always: true));
    }

    [Theory]
    [InlineData(typeof(WorkJob), false, true)]
    [InlineData(typeof(WorkJob), true, false)]
    [InlineData(null, false, false)]
    public void A_job_with_a_generated_key_is_told_by_its_type_if_no_other_job_has_it(Type? type, bool sharesType, bool isTold)
    {
        JobKey generated = new(Guid.NewGuid().ToString());

        Assert.Equal(isTold, OccurrenceRule.Judge(generated, type, sharesType, Build(t => t.WithCronSchedule("0 0 2 * * ?")), always: false) is null);
    }

    [Fact]
    public void A_GUID_that_the_user_gave_as_a_name_with_a_group_is_no_generated_key() =>
        Assert.Null(OccurrenceRule.Judge(new JobKey(Guid.NewGuid().ToString(), "mine"), null, false, Build(t => t.WithCronSchedule("0 0 2 * * ?")), always: false));

    private static NotToldApart? Judge(Action<TriggerBuilder<IJob>> trigger, bool always = false) =>
        OccurrenceRule.Judge(Named, typeof(WorkJob), sharesType: false, Build(trigger), always);

    private static ITrigger Build(Action<TriggerBuilder<IJob>> configure)
    {
        TriggerBuilder<IJob> builder = TriggerBuilder.Create().WithIdentity("t").ForJob(Named);
        configure(builder);
        return builder.Build();
    }
}
