using Quartz;

namespace JobLocking.Quartz.Tests;

internal static class Work
{
    public const string Name = "work";

    public const string Other = "other";
}

/// <summary>A job without a lock of its own; the journal says what the job does.</summary>
internal sealed class WorkJob(Journal journal) : IJob
{
    public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken = default) => journal.RunAsync(context, cancellationToken);
}
