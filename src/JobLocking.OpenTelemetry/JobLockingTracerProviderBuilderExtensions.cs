using JobLocking;

namespace OpenTelemetry.Trace;

/// <summary>Adds the traces of JobLocking to OpenTelemetry.</summary>
public static class JobLockingTracerProviderBuilderExtensions
{
    /// <summary>
    /// Collects the spans of JobLocking. Also add the scheduler's source, because JobLocking adds its tags to the scheduler's
    /// spans.
    /// </summary>
    /// <param name="builder">The tracer provider's builder.</param>
    /// <returns>The same builder.</returns>
    public static TracerProviderBuilder AddJobLockingInstrumentation(this TracerProviderBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSource(JobLockingDiagnostics.ActivitySourceName);
    }
}
