using JobLocking;

namespace OpenTelemetry.Metrics;

/// <summary>Adds the metrics of JobLocking to OpenTelemetry.</summary>
public static class JobLockingMeterProviderBuilderExtensions
{
    /// <summary>Collects the metrics of JobLocking.</summary>
    /// <param name="builder">The meter provider's builder.</param>
    /// <returns>The same builder.</returns>
    public static MeterProviderBuilder AddJobLockingInstrumentation(this MeterProviderBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMeter(JobLockingDiagnostics.MeterName);
    }
}
