using System.Diagnostics;
using JobLocking.Tests.Engine;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Xunit;

namespace JobLocking.Tests.Telemetry;

[Collection("Meters of this process")]
public sealed class OpenTelemetryTests
{
    [Fact]
    public async Task AddJobLockingInstrumentation_collects_the_metrics_with_the_buckets_that_suit_them()
    {
        Exported<Metric> exported = new();
        using EngineUnderTest node = new();
        using MeterProvider provider = Sdk.CreateMeterProviderBuilder()
            .AddJobLockingInstrumentation()
            .AddReader(new BaseExportingMetricReader(exported))
            .Build();
        await (await node.Locks.TryAcquireAsync("x"))!.DisposeAsync();
        Assert.True(provider.ForceFlush());

        // By default the first bound above zero is five seconds.
        Assert.Equal([0.0005], FirstBounds(JobLockingDiagnostics.AcquireDuration));
        Assert.Equal([0.1], FirstBounds(JobLockingDiagnostics.HoldDuration));

        // They also come from the nodes of other tests, which run at the same time: theirs are the same.
        IEnumerable<double> FirstBounds(string name) =>
            exported.Items.Where(m => m.Name == name && m.MeterName == JobLockingDiagnostics.MeterName).Select(FirstBound).Distinct();
    }

    [Fact]
    public async Task AddJobLockingInstrumentation_collects_the_spans()
    {
        Exported<Activity> exported = new();
        using EngineUnderTest node = new();
        using TracerProvider provider = Sdk.CreateTracerProviderBuilder()
            .AddJobLockingInstrumentation()
            .AddProcessor(new SimpleActivityExportProcessor(exported))
            .Build();
        string name = Guid.NewGuid().ToString();
        await node.Locks.TryAcquireAsync(name);
        Assert.Single(exported.Items, span => name.Equals(span.GetTagItem(JobLockingDiagnostics.LockNameTag)));
    }

    private static double FirstBound(Metric metric)
    {
        foreach (MetricPoint point in metric.GetMetricPoints())
        {
            foreach (HistogramBucket bucket in point.GetHistogramBuckets())
            {
                return bucket.ExplicitBound;
            }
        }

        throw new InvalidOperationException($"{metric.Name} has no buckets.");
    }

    private sealed class Exported<T> : BaseExporter<T>
        where T : class
    {
        private readonly List<T> _items = [];

        public IReadOnlyList<T> Items
        {
            get
            {
                lock (_items)
                {
                    return [.. _items];
                }
            }
        }

        public override ExportResult Export(in Batch<T> batch)
        {
            lock (_items)
            {
                foreach (T item in batch)
                {
                    _items.Add(item);
                }
            }

            return ExportResult.Success;
        }
    }
}
