using System.Collections.Concurrent;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.Logging;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>Finds the occurrence that each firing of one scheduler stands for.</summary>
/// <remarks>
/// A first attempt stands for the last fire time of its trigger before the next one: Quartz gives a firing that makes up for missed ones
/// the time of the first, which other nodes have run, and one after a misfired retry a time that no other node knows. A retry stands for
/// what its first attempt stood for, and so does a recovery. What was decided for a firing that is deferred is stored with it: the trigger
/// that brings it back fires once, and would read as one without occurrences.
/// </remarks>
internal sealed class Occurrences(AmbiguousJobTypes shared, ToldTriggers told, ILogger logger)
{
    /// <summary>All kinds of triggers that have the instruction have the same code for it.</summary>
    private const int DoNothing = (int)CronTriggerMisfireInstruction.DoNothing;

    /// <summary>The number of firings whose retries are remembered.</summary>
    private const int Remembered = 1000;

    // Only of firings that stand for another time than their own: a retry has the time of its first attempt.
    private readonly ConcurrentDictionary<(TriggerKey Trigger, DateTimeOffset Time), FiringOccurrence> _attempts = [];
    private readonly ConcurrentQueue<(TriggerKey Trigger, DateTimeOffset Time)> _oldest = [];

    /// <summary>The firing with its occurrence, if it has one.</summary>
    /// <exception cref="TaskLockException">
    /// Each occurrence is to run once (<see cref="OncePerOccurrence.Always"/>), and those of the trigger cannot be told apart.
    /// </exception>
    public ValueTask<Firing> ResolveAsync(Firing firing, LockPolicy policy, Type? type, SchedulerFacts scheduler)
    {
        if (!policy.RunsOccurrencesOnce(scheduler.IsClustered) || !firing.IsOfSchedule)
        {
            return new(firing);
        }

        IJobExecutionContext context = firing.Context;
        if (firing.Deferred is { } deferred)
        {
            return deferred.Occurrence is null ? new(firing) : ReturnedAsync(firing, deferred, deferred.Occurrence.Value, policy);
        }

        return context.Recovering
            ? RecoveredAsync(firing, policy, type, scheduler)
            : new(IsOn(policy, firing, type, scheduler, context.Trigger) ? With(firing, OfSchedule(firing, policy)) : firing);
    }

    private bool IsOn(LockPolicy policy, Firing firing, Type? type, SchedulerFacts scheduler, ITrigger trigger)
    {
        bool always = policy.OncePerOccurrence == OncePerOccurrence.Always;
        if ((always && scheduler.IsClustered)
            || OccurrenceRule.Judge(firing.Context.JobDetail.Key, type, shared.Contains(type), trigger, always) is not { } problem)
        {
            return true;
        }

        if (problem == NotToldApart.FiresOnce)
        {
            return false;
        }

        if (always)
        {
            throw Refusal(policy, firing.Context.JobDetail.Key, trigger.Key, problem);
        }

        if (told.Add(trigger.Key))
        {
            Log.NotOncePerOccurrence(
                logger, firing.Context.Scheduler.SchedulerName, Describe(policy, firing.Context.JobDetail.Key, trigger.Key, problem));
        }

        return false;
    }

    /// <summary>What is wrong with a trigger under <see cref="OncePerOccurrence.Always"/>, with the fix.</summary>
    public static TaskLockException Refusal(LockPolicy policy, JobKey job, TriggerKey trigger, NotToldApart problem) => new(
        $"Lock '{policy.Template}' of job {job}: OncePerOccurrence is Always, but the occurrences of trigger {trigger} cannot be told "
        + $"apart: {problem.Why}. Fix: {problem.Fix}; or OncePerOccurrence = OncePerOccurrence.Never.");

    /// <summary>The trigger in the list of those whose occurrences each node runs by itself.</summary>
    public static string Describe(LockPolicy policy, JobKey job, TriggerKey trigger, NotToldApart problem) =>
        $"{Environment.NewLine}  trigger {trigger} of job {job} (lock '{policy.Template}'): {problem.Why}. Fix: {problem.Fix}";

    /// <summary>The occurrence of a firing that its own trigger fires.</summary>
    private FiringOccurrence OfSchedule(Firing firing, LockPolicy policy)
    {
        IJobExecutionContext context = firing.Context;
        FireTimes times = new(context.Trigger, context.Calendar);
        if (firing.Attempts > 0)
        {
            if (_attempts.TryGetValue((context.Trigger.Key, firing.ScheduledTime), out FiringOccurrence first))
            {
                return first;
            }

            if (times.Contains(firing.ScheduledTime))
            {
                return Of(firing.ScheduledTime, times, times.After(firing.ScheduledTime), policy);
            }
        }

        // The last firing of a schedule has no next one.
        DateTimeOffset end = context.NextFireTimeUtc ?? Later(firing.ScheduledTime, context.FireTimeUtc).AddTicks(1);
        DateTimeOffset time = context.Trigger is ISimpleTrigger { RepeatCount: 0 }
            ? firing.ScheduledTime
            : times.LastBefore(end, firing.ScheduledTime)?.ToUniversalTime() ?? firing.ScheduledTime;
        FiringOccurrence occurrence = Of(time, times, context.NextFireTimeUtc, policy);
        Remember(firing, occurrence);
        return occurrence;
    }

    /// <summary>
    /// A deferral that stands for all firings of its trigger that coalesced with it runs the newest of them. A retry of its run, and an
    /// execution that stands by, run the one they were stored with.
    /// </summary>
    private async ValueTask<Firing> ReturnedAsync(Firing firing, StoredDeferral deferred, FiringOccurrence stored, LockPolicy policy)
    {
        IJobExecutionContext context = firing.Context;
        if (firing.Wait is null)
        {
            return With(firing, _attempts.GetValueOrDefault((context.Trigger.Key, firing.ScheduledTime), stored));
        }

        if (!deferred.StandsForNewest
            || await NewestAsync(context.Scheduler, deferred.Trigger, policy).ConfigureAwait(false) is not { } newest
            || newest.Time <= stored.Time)
        {
            return With(firing, stored);
        }

        Remember(firing, newest);
        return With(firing, newest);
    }

    /// <summary>The newest occurrence that a trigger has fired; null if the trigger is gone, or cannot be read.</summary>
    private static async ValueTask<FiringOccurrence?> NewestAsync(IScheduler scheduler, TriggerKey key, LockPolicy policy)
    {
        try
        {
            if (await scheduler.GetTrigger(key, CancellationToken.None).ConfigureAwait(false)
                is not { PreviousFireTimeUtc: { } previous } trigger)
            {
                return null;
            }

            ICalendar? calendar = trigger.CalendarName is { } name
                ? await scheduler.GetCalendar(name, CancellationToken.None).ConfigureAwait(false)
                : null;
            return NewestOf(trigger, calendar, previous, policy);
        }
        catch (SchedulerException)
        {
            return null; // The firing still stands for the occurrence that it was stored with.
        }
    }

    /// <param name="trigger">The trigger.</param>
    /// <param name="calendar">Its calendar; null if it has none.</param>
    /// <param name="previous">The time of its last firing.</param>
    /// <param name="policy">The lock of its job.</param>
    internal static FiringOccurrence? NewestOf(ITrigger trigger, ICalendar? calendar, DateTimeOffset previous, LockPolicy policy)
    {
        FireTimes times = new(trigger, calendar);

        // A trigger that does nothing after a misfire has not fired what lies between. Between a run and its retry, the next fire time is
        // that of the retry.
        DateTimeOffset? next = trigger.RetryAttempt > 0 || trigger.MisfireInstructionCode == DoNothing
            ? times.After(previous)
            : trigger.NextFireTimeUtc;
        return times.LastBefore(next ?? previous.AddTicks(1), previous) is { } time
            ? Of(time.ToUniversalTime(), times, next, policy)
            : null;
    }

    /// <summary>
    /// A recovery has a trigger of its own, so it is judged by the trigger of the schedule, which the job store has. If that trigger is
    /// gone, the firing counts as an occurrence: a mark too many does no harm.
    /// </summary>
    private async ValueTask<Firing> RecoveredAsync(Firing firing, LockPolicy policy, Type? type, SchedulerFacts scheduler)
    {
        ITrigger? trigger = null;
        try
        {
            trigger = await firing.Context.Scheduler.GetTrigger(firing.Trigger, CancellationToken.None).ConfigureAwait(false);
        }
        catch (SchedulerException)
        {
            // As if it were gone.
        }

        if (trigger is null)
        {
            return With(firing, new FiringOccurrence(firing.ScheduledTime, Following: null));
        }

        if (!IsOn(policy, firing, type, scheduler, trigger))
        {
            return firing;
        }

        FireTimes times = new(trigger, firing.Context.Calendar);
        return With(firing, Of(firing.ScheduledTime, times, times.After(firing.ScheduledTime), policy));
    }

    /// <summary>
    /// A trigger that ignores misfires fires each missed time, however late, so the marks of all of them are kept as long as any.
    /// </summary>
    private static FiringOccurrence Of(DateTimeOffset time, FireTimes times, DateTimeOffset? next, LockPolicy policy) =>
        new(
            time,
            new FollowingFireTimes(
                next?.ToUniversalTime(),
                times.AllAreMadeUpFor ? null : times.HundredthAfter(time, policy.OccurrenceRetention)));

    private static Firing With(Firing firing, FiringOccurrence occurrence)
    {
        Firing resolved = firing with
        {
            ScheduledTime = occurrence.Time,
            NextTime = occurrence.Following?.Next ?? firing.NextTime,
            Occurrence = occurrence,
        };
        if (occurrence.Time != firing.ScheduledTime)
        {
            resolved.Show();
        }

        return resolved;
    }

    private void Remember(Firing firing, FiringOccurrence occurrence)
    {
        (TriggerKey, DateTimeOffset) attempt = (firing.Context.Trigger.Key, firing.ScheduledTime);
        if (occurrence.Time == firing.ScheduledTime || !_attempts.TryAdd(attempt, occurrence))
        {
            return;
        }

        _oldest.Enqueue(attempt);
        if (_oldest.Count > Remembered && _oldest.TryDequeue(out (TriggerKey, DateTimeOffset) oldest))
        {
            _attempts.TryRemove(oldest, out _);
        }
    }

    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;
}

/// <summary>The occurrence that a firing stands for.</summary>
/// <param name="Time">Its fire time, UTC.</param>
/// <param name="Following">The fire times after it; null if they are not known.</param>
internal readonly record struct FiringOccurrence(DateTimeOffset Time, FollowingFireTimes? Following);
