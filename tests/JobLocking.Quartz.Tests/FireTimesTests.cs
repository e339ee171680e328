using NSubstitute;
using Quartz;

namespace JobLocking.Quartz.Tests;

public sealed class FireTimesTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static TheoryData<string, DateTimeOffset, DateTimeOffset> Missed => new()
    {
        // The schedule, the first missed time, and the next fire time after the catch-up.
        { "* * * * * ?", Start, Start.AddDays(31) },
        { "0 * * * * ?", Start, Start.AddDays(365) },
        { "0 0 2 * * ?", Start.AddHours(2), Start.AddDays(9).AddHours(2) },
        { "0 0,1 9 ? * MON-FRI", Start.AddHours(9), Start.AddDays(4).AddHours(9) },
        { "0 0 0 1 * ?", Start, Start.AddMonths(7) },
        { "0 0 0 29 2 ?", new(2096, 2, 29, 0, 0, 0, TimeSpan.Zero), new(2104, 2, 29, 0, 0, 0, TimeSpan.Zero) },
    };

    [Theory]
    [MemberData(nameof(Missed))]
    public void The_last_missed_fire_time_is_found_without_walking(string cron, DateTimeOffset first, DateTimeOffset next)
    {
        int calls = 0;
        ITrigger real = Cron(cron);
        ITrigger counted = Substitute.For<ITrigger>();
        counted.GetFireTimeAfter(default).ReturnsForAnyArgs(call =>
        {
            calls++;
            return real.GetFireTimeAfter(call.Arg<DateTimeOffset?>());
        });

        DateTimeOffset? last = new FireTimes(counted, null).LastBefore(next, first);

        Assert.NotNull(last);
        Assert.True(last < next && real.GetFireTimeAfter(last) >= next, $"{last:u}");
        Assert.InRange(calls, 1, 70);
    }

    [Fact]
    public void A_search_that_begins_in_an_hour_that_clocks_repeat_finds_the_fire_time_of_the_scheduler()
    {
        ITrigger trigger = TriggerBuilder.Create()
            .WithCronSchedule("0 30 2 * * ?", cron => cron.InTimeZone(TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin")))
            .StartAt(Start)
            .Build();
        DateTimeOffset missed = new(2026, 10, 24, 0, 30, 0, TimeSpan.Zero);
        DateTimeOffset setBack = missed.AddDays(1);
        DateTimeOffset next = trigger.GetFireTimeAfter(setBack)!.Value;
        Assert.Equal(new DateTimeOffset(2026, 10, 26, 1, 30, 0, TimeSpan.Zero), next);

        Assert.Equal(setBack, new FireTimes(trigger, null).LastBefore(next, missed));
        Assert.Equal(setBack, new FireTimes(trigger, null).LastBefore(next, setBack.AddMinutes(45)));
    }

    [Fact]
    public void A_fire_time_that_is_the_last_one_is_found_at_once()
    {
        ITrigger trigger = Cron("0 * * * * ?");

        Assert.Equal(Start, new FireTimes(trigger, null).LastBefore(Start.AddMinutes(1), Start));
    }

    [Fact]
    public void A_time_beside_the_schedule_stands_for_the_fire_time_before_it()
    {
        ITrigger trigger = Cron("0 0 * * * ?");

        Assert.Equal(Start.AddHours(3), new FireTimes(trigger, null).LastBefore(Start.AddHours(4), Start.AddHours(3).AddSeconds(100)));
    }

    [Fact]
    public void Fire_times_that_the_calendar_excludes_are_none()
    {
        DateTimeOffset closed = Start.AddDays(2);
        ICalendar calendar = Substitute.For<ICalendar>();
        calendar.IsTimeIncluded(default).ReturnsForAnyArgs(call => call.Arg<DateTimeOffset>().Date != closed.Date);
        calendar.GetNextIncludedTimeUtc(default).ReturnsForAnyArgs(closed.AddDays(1));
        FireTimes times = new(Cron("0 0 12 * * ?"), calendar);

        Assert.Equal(Start.AddDays(1).AddHours(12), times.LastBefore(Start.AddDays(3), Start));
        Assert.Equal(Start.AddDays(3).AddHours(12), times.After(Start.AddDays(1).AddHours(12)));
    }

    [Fact]
    public void A_calendar_that_excludes_everything_ends_the_search()
    {
        ICalendar never = Substitute.For<ICalendar>();
        never.GetNextIncludedTimeUtc(default).ReturnsForAnyArgs(call => call.Arg<DateTimeOffset>().AddDays(1));

        Assert.Null(new FireTimes(Cron("* * * * * ?"), never).After(Start));
    }

    [Theory]
    [InlineData("* * * * * ?", 100)]
    [InlineData("0 * * * * ?", 6000)]
    public void The_hundredth_fire_time_is_estimated(string cron, int seconds) =>
        Assert.Equal(Start.AddSeconds(seconds), new FireTimes(Cron(cron), null).HundredthAfter(Start, TimeSpan.FromDays(1)));

    [Theory]
    [InlineData("0 0 * * * ?")]
    [InlineData("0 0 0 1 1 ? 2026")]
    public void A_hundredth_fire_time_beyond_the_horizon_is_not_looked_for(string cron) =>
        Assert.Null(new FireTimes(Cron(cron), null).HundredthAfter(Start, TimeSpan.FromDays(1)));

    private static ITrigger Cron(string cron) =>
        TriggerBuilder.Create().WithIdentity("t").StartAt(Start.AddYears(-1)).WithCronSchedule(cron, c => c.InTimeZone(TimeZoneInfo.Utc)).Build();
}
