using System.Collections.Concurrent;
using System.Reflection;
using Quartz;

namespace JobLocking.TestWorker.Chaos;

/// <summary>Reports which occurrence each firing stands for, whether it runs, and how it ends. A job is named by its lock.</summary>
internal sealed class OccurrenceReporter(string process) : IJobListener
{
    private readonly ConcurrentDictionary<string, long> _numbers = new(StringComparer.Ordinal);
    private long _firings;
    private volatile bool _isHeld;

    public string Name => "occurrences";

    /// <summary>From now on no run ends.</summary>
    public void Hold() => _isHeld = true;

    public ValueTask JobToBeExecuted(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        _numbers[context.FireInstanceId] = Interlocked.Increment(ref _firings);
        Report(QuartzEventKind.Fired, context, $"{context.Trigger.Key} {context.RetryAttempt}");
        return default;
    }

    public ValueTask JobWasExecuted(
        IJobExecutionContext context, JobExecutionException? jobException, CancellationToken cancellationToken = default)
    {
        string detail = (context.Result as JobRunReport)?.Summary ?? jobException?.GetBaseException().Message ?? "";
        Report(QuartzReporter.EndOf(context), context, detail);
        _numbers.TryRemove(context.FireInstanceId, out _);
        return default;
    }

    /// <summary>What all jobs do.</summary>
    public async ValueTask RunAsync(IJobExecutionContext context, int milliseconds, CancellationToken cancellationToken)
    {
        bool isHeld = _isHeld;
        Report(QuartzEventKind.Ran, context, isHeld ? "held" : "");
        await Task.Delay(isHeld ? Timeout.Infinite : milliseconds, cancellationToken);
        Report(QuartzEventKind.Done, context);
    }

    private void Report(QuartzEventKind what, IJobExecutionContext context, string detail = "")
    {
        string job = context.JobDetail.JobType.TryResolve(out Type? type) ? type.GetCustomAttribute<TaskLockAttribute>()!.Name : "?";
        long number = _numbers[context.FireInstanceId];
        WorkerOutput.Report(QuartzEvent.Now(process, what, job, context.GetOriginalFireTimeUtc(), number, detail).ToString());
    }
}
