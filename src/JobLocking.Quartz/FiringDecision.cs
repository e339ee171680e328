using JobLocking.Engine;
using Quartz;

namespace JobLocking.Quartz;

/// <summary>What becomes of a firing. If neither <see cref="Run"/> nor <see cref="Report"/> is set, its job has no lock and runs.</summary>
internal readonly record struct FiringDecision
{
    /// <summary>The run under the lock. It must be ended, however the firing ends.</summary>
    public LockDecision.Run? Run { get; init; }

    /// <summary>Ends with the run; null if it cancels no other firing.</summary>
    public OverlappingFirings.Member? Overlapping { get; init; }

    /// <summary>Why the job does not run now. What follows from that, as a deferral, has been done.</summary>
    public JobRunReport? Report { get; init; }

    /// <summary>How Quartz is to record that the job does not run now.</summary>
    public FiringRecord Record { get; init; }

    public bool IsVeto => this is { Report: not null, Record: FiringRecord.Veto };

    public static FiringDecision NotNow(JobRunReport report, FiringRecord record) => new() { Report = report, Record = record };
}
