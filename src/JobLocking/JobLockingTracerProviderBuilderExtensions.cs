using JobLocking;

namespace OpenTelemetry.Trace;

/// <summary>The traces of JobLocking in OpenTelemetry.</summary>
public static class JobLockingTracerProviderBuilderExtensions
{
    /// <summary>Collects the spans of JobLocking. Its tags on a scheduler's own spans come with those: add the scheduler's source, too.</summary>
    /// <param name="builder">The tracer provider's builder.</param>
    /// <returns>The same builder.</returns>
    public static TracerProviderBuilder AddJobLockingInstrumentation(this TracerProviderBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSource(JobLockingDiagnostics.ActivitySourceName);
    }
}
