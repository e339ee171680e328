using System.Collections.Concurrent;
using System.Diagnostics;
using JobLocking.Engine;
using JobLocking.Leasing;
using JobLocking.Policy;
using JobLocking.Tests.Engine;
using Xunit;
using static JobLocking.JobLockingDiagnostics;
using static JobLocking.Tests.Engine.UnreliableStore;

namespace JobLocking.Tests.Telemetry;

public sealed class TracesTests : IDisposable
{
    private readonly EngineUnderTest _node = new();
    private readonly EngineUnderTest _other;
    private readonly ActivitySource _scheduler = new($"Scheduler {Guid.NewGuid()}");
    private readonly ConcurrentQueue<Activity> _ended = [];
    private readonly ActivityListener _listener;

    // Activities have no container: other tests of this process start theirs, too.
    private readonly string _name = Guid.NewGuid().ToString();

    public TracesTests()
    {
        _other = new EngineUnderTest(sharing: _node, node: "node-2");
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == ActivitySourceName || source == _scheduler,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    private IEnumerable<Activity> Own => _ended.Where(a => a.Source.Name == ActivitySourceName && _name.Equals(a.GetTagItem(LockNameTag)));

    [Fact]
    public async Task The_span_of_the_scheduler_shows_the_lock_and_JobLocking_adds_no_span()
    {
        using Activity span = _scheduler.StartActivity("job")!;
        LockExecution execution = _node.Execution(new TaskLockAttribute("of:{id}")) with { Name = _name };
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(execution);
        Assert.Equal(
            [(LockTag, "of:{id}"), (LockNameTag, _name), (SchedulerTag, "Test"), (DecisionTag, "run"), (FencingTokenTag, run.Lease!.FencingToken)],
            span.TagObjects.Select(tag => (tag.Key, tag.Value!)));
        await run.EndAsync(null, aborted: false);
        Assert.Null(span.GetTagItem(LossTag));
        Assert.Empty(Own);
        Assert.Same(span, Activity.Current);
    }

    [Fact]
    public async Task The_span_of_the_scheduler_shows_a_loss()
    {
        using Activity span = _scheduler.StartActivity("job")!;
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Execution(_node));
        run.Lease!.Lose(LeaseLoss.Taken);
        await run.EndAsync(null, aborted: false);
        Assert.Equal("taken", span.GetTagItem(LossTag));
    }

    [Fact]
    public async Task A_skip_or_deferral_shows_its_reason_and_the_holder()
    {
        await _other.DecideAsync<LockDecision.Run>(Execution(_other));
        using (Activity skipped = _scheduler.StartActivity("job")!)
        {
            await _node.DecideAsync<LockDecision.Skip>(Execution(_node) with { Origin = ExecutionOrigin.Recurring });
            Assert.Equal(("skip", "contended"), (skipped.GetTagItem(DecisionTag), skipped.GetTagItem(ReasonTag)));
            Assert.StartsWith("app on node-2", (string?)skipped.GetTagItem(HolderTag), StringComparison.Ordinal);
        }

        using Activity deferred = _scheduler.StartActivity("job")!;
        await _node.DecideAsync<LockDecision.Defer>(Execution(_node));
        Assert.Equal(("defer", "contended"), (deferred.GetTagItem(DecisionTag), deferred.GetTagItem(ReasonTag)));
        Assert.StartsWith("app on node-2", (string?)deferred.GetTagItem(HolderTag), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LockUnavailable.Run, "run_without_lock")]
    [InlineData(LockUnavailable.Fail, "fail")]
    public async Task A_decision_without_an_answer_from_the_store_is_shown_too(LockUnavailable onUnavailable, string decision)
    {
        _node.Store.AcquireAlways = Breakage.Refused;
        using Activity span = _scheduler.StartActivity("job")!;
        await _node.Engine.DecideAsync(_node.Execution(new TaskLockAttribute("x") { OnUnavailable = onUnavailable }), CancellationToken.None);
        Assert.Equal(decision, span.GetTagItem(DecisionTag));
    }

    [Fact]
    public async Task If_the_scheduler_has_no_span_a_span_of_JobLocking_shows_the_decision()
    {
        Assert.Null(Activity.Current);
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Execution(_node));
        run.JobBegins();
        Activity own = Assert.Single(Own);
        Assert.Equal(("joblocking.acquire", "run", ActivityStatusCode.Unset), (own.OperationName, own.GetTagItem(DecisionTag), own.Status));
        Assert.Null(Activity.Current);

        await _other.DecideAsync<LockDecision.Defer>(Execution(_other));
        Assert.Equal(["run", "defer"], Own.Select(a => a.GetTagItem(DecisionTag)));
        Assert.Equal(2, Own.Select(a => a.TraceId).Distinct().Count());
    }

    [Fact]
    public async Task A_span_that_begins_with_the_job_has_the_lock_and_the_acquire_before_it()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Execution(_node));
        DateTime had = _node.Time.GetUtcNow().UtcDateTime;
        _node.Time.Advance(TimeSpan.FromSeconds(1));
        using Activity job = _scheduler.StartActivity("job")!;
        run.JobBegins();

        Activity own = Assert.Single(Own);
        Assert.Equal((job.TraceId, job.SpanId), (own.TraceId, own.ParentSpanId));
        Assert.Equal(had, own.StartTimeUtc);
        Assert.InRange(own.Duration, TimeSpan.Zero, TimeSpan.FromMilliseconds(1));
        Assert.Equal(("run", run.Lease!.FencingToken), (job.GetTagItem(DecisionTag), job.GetTagItem(FencingTokenTag)));
        Assert.Equal(("run", run.Lease.FencingToken), (own.GetTagItem(DecisionTag), own.GetTagItem(FencingTokenTag)));
        Assert.Same(job, Activity.Current);

        await run.EndAsync(null, aborted: false);
        Assert.Single(Own);
        Assert.Null(job.GetTagItem(LossTag));
    }

    [Fact]
    public async Task A_span_that_begins_with_the_job_shows_a_loss_before_it_ends()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Execution(_node));
        using (Activity job = _scheduler.StartActivity("job")!)
        {
            run.JobBegins();
            run.Lease!.Lose(LeaseLoss.Broken);
            run.JobEnds();
            Assert.Equal("broken", job.GetTagItem(LossTag));
        }

        await run.EndAsync(null, aborted: false);
    }

    [Fact]
    public async Task The_acquire_of_a_job_that_never_begins_is_shown_when_its_run_ends()
    {
        LockDecision.Run run = await _node.DecideAsync<LockDecision.Run>(Execution(_node));
        Assert.Empty(Own);
        await run.EndAsync(new OperationCanceledException("cancelled by another filter"), aborted: true);
        Assert.Equal("run", Assert.Single(Own).GetTagItem(DecisionTag));
    }

    [Fact]
    public async Task A_lock_taken_by_hand_has_a_span_below_the_one_of_its_caller()
    {
        using Activity caller = _scheduler.StartActivity("request")!;
        await using TaskLease? lease = await _node.Locks.TryAcquireAsync(_name);
        Activity own = Assert.Single(Own);
        Assert.Equal(caller.SpanId, own.ParentSpanId);
        Assert.Equal(("granted", lease!.FencingToken, "code"), (own.GetTagItem(OutcomeTag), own.GetTagItem(FencingTokenTag), own.GetTagItem(LockTag)));
        Assert.Empty(caller.TagObjects);
        Assert.Same(caller, Activity.Current);

        Assert.Null(await _other.Locks.TryAcquireAsync(_name));
        Assert.Null(await _node.Locks.TryAcquireAsync(_name));
        Assert.Equal(["granted", "contended", "contended"], Own.Select(a => a.GetTagItem(OutcomeTag)));
    }

    [Fact]
    public async Task Taking_a_lock_by_hand_is_an_error_while_the_store_is_unavailable()
    {
        _node.Store.AcquireAlways = Breakage.Refused;
        await Assert.ThrowsAsync<TaskLockUnavailableException>(async () => await _node.Locks.TryAcquireAsync(_name));
        Activity own = Assert.Single(Own);
        Assert.Equal(("unavailable", ActivityStatusCode.Error), (own.GetTagItem(OutcomeTag), own.Status));
    }

    public void Dispose()
    {
        _listener.Dispose();
        _scheduler.Dispose();
        _other.Dispose();
        _node.Dispose();
    }

    private LockExecution Execution(EngineUnderTest node) => node.Execution(new TaskLockAttribute(_name));
}
