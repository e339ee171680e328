using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace JobLocking.Docs.Snippets;

public static class Telemetry
{
    public static void Add(HostApplicationBuilder builder)
    {
        #region observability
        builder.Services.AddOpenTelemetry()
            .WithMetrics(metrics => metrics.AddJobLockingInstrumentation())
            .WithTracing(traces => traces.AddJobLockingInstrumentation().AddSource("Quartz"));
        #endregion
    }
}
