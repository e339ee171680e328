using System.Globalization;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>One time that a trigger fired, from its beginning to its end.</summary>
internal sealed class QuartzFiring
{
    public QuartzFiring(IEnumerable<QuartzEvent> events)
    {
        Events = [.. events.OrderBy(e => e.At)];
        Began = Events[0];
        Ends = [.. Events.Where(e => IsEnd(e.What))];
        Ran = Events.FirstOrDefault(e => e.What == QuartzEventKind.Ran);
        Done = Events.FirstOrDefault(e => e.What == QuartzEventKind.Done);
    }

    public IReadOnlyList<QuartzEvent> Events { get; }

    public QuartzEvent Began { get; }

    public IReadOnlyList<QuartzEvent> Ends { get; }

    public QuartzEvent? End => Ends.Count > 0 ? Ends[0] : null;

    /// <summary>The first firing for a scheduled time, by the trigger of the schedule.</summary>
    public bool IsOfSchedule => Began.Detail == $"DEFAULT.{Began.Job} 0";

    /// <summary>When its job was started.</summary>
    public QuartzEvent? Ran { get; }

    /// <summary>When its job had done its work.</summary>
    public QuartzEvent? Done { get; }

    public string Process => Began.Process;

    public long EndedAt => End?.At ?? long.MaxValue;

    /// <summary>When a deferral comes back by itself.</summary>
    public static TimeSpan DelayOf(QuartzEvent deferred) => TimeSpan.FromSeconds(double.Parse(deferred.Detail.Split(' ')[0], CultureInfo.InvariantCulture));

    private static bool IsEnd(QuartzEventKind what) => what is >= QuartzEventKind.Succeeded and <= QuartzEventKind.Cancelled;
}
