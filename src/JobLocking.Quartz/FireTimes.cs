using Quartz;

namespace JobLocking.Quartz;

/// <summary>The fire times of a trigger, without those that its calendar excludes.</summary>
/// <param name="trigger">The trigger.</param>
/// <param name="calendar">Its calendar; null if it has none.</param>
internal readonly struct FireTimes(ITrigger trigger, ICalendar? calendar)
{
    /// <summary>A calendar may exclude so many fire times in a row; one that excludes more is taken to exclude all.</summary>
    private const int MostExcluded = 1000;

    /// <summary>How far apart the fire times of a trigger may be: a leap day in the year 2100.</summary>
    private static readonly TimeSpan LongestGap = TimeSpan.FromDays(8 * 366);

    /// <summary>More than any clock is ever set back.</summary>
    private static readonly TimeSpan ClockChange = TimeSpan.FromHours(3);

    private readonly ITrigger _trigger = trigger;
    private readonly ICalendar? _calendar = calendar;

    /// <summary>
    /// Whether the trigger has the IgnoreMisfires instruction: it fires once for each missed fire time.
    /// </summary>
    /// <remarks>All kinds of triggers have the same code for it.</remarks>
    public bool AllAreMadeUpFor => _trigger.MisfireInstructionCode == (int)CronTriggerMisfireInstruction.IgnoreMisfires;

    /// <summary>The first fire time after a time; null if there is none.</summary>
    public DateTimeOffset? After(DateTimeOffset time)
    {
        DateTimeOffset? next = _trigger.GetFireTimeAfter(time);
        for (int excluded = 0; next is { } candidate && _calendar is not null && !_calendar.IsTimeIncluded(candidate); excluded++)
        {
            if (excluded == MostExcluded)
            {
                return null;
            }

            // A calendar may exclude years of a schedule of seconds.
            next = _trigger.GetFireTimeAfter(_calendar.GetNextIncludedTimeUtc(candidate).AddTicks(-1));
        }

        return next;
    }

    /// <summary>Whether the time is a fire time.</summary>
    public bool Contains(DateTimeOffset time) => After(time.AddTicks(-1)) == time;

    /// <summary>
    /// The last fire time before a time, found by bisection: a trigger that fires each second may have missed the fire times of a month.
    /// </summary>
    /// <param name="end">The time.</param>
    /// <param name="near">A time that is near the result, from which the search begins.</param>
    /// <returns>Null if there is none.</returns>
    public DateTimeOffset? LastBefore(DateTimeOffset end, DateTimeOffset near)
    {
        if (FirstFrom(end, near) is not { } last)
        {
            return null;
        }

        DateTimeOffset later = end;
        while (After(last) is { } next && next < end)
        {
            // Between the last known fire time and a time after which there is none.
            DateTimeOffset middle = last + ((later - last) / 2);
            if (middle > next && After(middle) is { } found && found < end)
            {
                last = found;
            }
            else if (middle > next)
            {
                (last, later) = (next, middle);
            }
            else
            {
                last = next;
            }
        }

        return AsWalked(last, end);
    }

    /// <summary>
    /// About the hundredth fire time after a time: ten times as far away as the tenth. Null if there are not as many, or if it is further
    /// away than the horizon.
    /// </summary>
    public DateTimeOffset? HundredthAfter(DateTimeOffset time, TimeSpan horizon)
    {
        DateTimeOffset tenth = time;
        for (int count = 0; count < 10; count++)
        {
            if (After(tenth) is not { } next || next - time > horizon / 10)
            {
                return null;
            }

            tenth = next;
        }

        return time + ((tenth - time) * 10);
    }

    /// <summary>
    /// The last fire time before the end on the way of a scheduler, which goes from one fire time to the next. In a night in which clocks
    /// are set back, a search that begins between two readings of the same hour finds a fire time that the scheduler does not have.
    /// </summary>
    private DateTimeOffset AsWalked(DateTimeOffset last, DateTimeOffset end)
    {
        const int MostSteps = 20;
        DateTimeOffset? walked = After(last - ClockChange);
        for (int steps = 0; steps < MostSteps && walked is { } time && time < end; steps++)
        {
            DateTimeOffset? next = After(time);
            if (next is null || next >= end)
            {
                return time;
            }

            walked = next;
        }

        return last; // The trigger fires so often that no reading of the hour is skipped.
    }

    /// <summary>A fire time before the end: one at or after the time nearby, or one that is further back.</summary>
    private DateTimeOffset? FirstFrom(DateTimeOffset end, DateTimeOffset near)
    {
        if (near < end && After(near.AddTicks(-1)) is { } first && first < end)
        {
            return first;
        }

        for (TimeSpan back = TimeSpan.FromSeconds(1); back < LongestGap * 2 && end - DateTimeOffset.MinValue > back; back *= 2)
        {
            if (After(end - back) is { } earlier && earlier < end)
            {
                return earlier;
            }
        }

        return null;
    }
}
