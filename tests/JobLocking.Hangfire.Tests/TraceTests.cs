using System.Collections.Concurrent;
using System.Diagnostics;
using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using JobLocking.TestKit;
using Xunit;
using static JobLocking.JobLockingDiagnostics;

namespace JobLocking.Hangfire.Tests;

public sealed class TraceTests : IDisposable
{
    private readonly SharedRedis _redis;

    private readonly ActivitySource _jobs = new($"Jobs {Guid.NewGuid()}");

    // Activity sources have no container: other tests of this process also take locks.
    private readonly string _key = Guid.NewGuid().ToString();

    private readonly ConcurrentQueue<Activity> _ended = [];

    // No exporter sees a tag that is set after the span has ended.
    private readonly ConcurrentDictionary<Activity, object?> _lossAtEnd = [];

    private readonly ActivityListener _listener;

    public TraceTests(SharedRedis redis)
    {
        _redis = redis;
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == ActivitySourceName || source == _jobs,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = Ended,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    [Fact]
    public async Task The_span_of_a_filter_of_default_order_has_the_lock_and_its_loss_and_the_acquire_in_its_trace()
    {
        await using Cluster cluster = _redis.NewCluster();
        Node a = await cluster.StartAsync("a", filters: (own, _) => new JobFilterProviderCollection(own, new JobFilterCollection { new Tracing(_jobs) }));
        JobProbe probe = cluster.Probes["traced"];
        probe.Hold();
        string job = cluster.Client.Enqueue<Work>(w => w.Auto(_key, "traced", CancellationToken.None));
        await Eventually.IsTrueAsync(() => probe.Begun == 1);
        TaskLease lease = probe.Lease!;

        Assert.True(await a.Locks.BreakAsync(lease.Name, lease.FencingToken));
        await Eventually.IsTrueAsync(() => lease.Lost.IsCancellationRequested);
        probe.Release();
        await cluster.SucceedsAsync(job);

        Activity span = Assert.Single(_ended, s => s.Source == _jobs);
        Activity acquire = Assert.Single(_ended, s => s.Source != _jobs && lease.Name.Equals(s.GetTagItem(LockNameTag)));
        Assert.Equal(("joblocking.acquire", span.TraceId, span.SpanId), (acquire.OperationName, acquire.TraceId, acquire.ParentSpanId));
        Assert.True(acquire.StartTimeUtc + acquire.Duration <= span.StartTimeUtc, $"{acquire.StartTimeUtc:O} + {acquire.Duration} > {span.StartTimeUtc:O}");
        Assert.Equal(
            ("work:{key}", "run", lease.FencingToken, "broken"),
            (span.GetTagItem(LockTag), span.GetTagItem(DecisionTag), span.GetTagItem(FencingTokenTag), _lossAtEnd[span]));
    }

    public void Dispose()
    {
        _listener.Dispose();
        _jobs.Dispose();
    }

    private void Ended(Activity span)
    {
        _lossAtEnd[span] = span.GetTagItem(LossTag);
        _ended.Enqueue(span);
    }

    /// <summary>As users and packages trace Hangfire jobs.</summary>
    private sealed class Tracing(ActivitySource source) : IServerFilter
    {
        public void OnPerforming(PerformingContext context) => context.Items["span"] = source.StartActivity("job", ActivityKind.Consumer);

        public void OnPerformed(PerformedContext context) => ((Activity?)context.Items["span"])?.Dispose();
    }
}
