using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace JobLocking.Benchmarks;

/// <summary>
/// Listens to the metrics and receives the log at its default level, as in every worker: the measured code pays for reporting, but not for
/// the processing of the reports.
/// </summary>
internal sealed class Observers : ILoggerProvider, ILogger
{
    /// <summary>A process has one listener to its metrics, however many nodes it simulates.</summary>
    public static readonly Observers OfProcess = new();

    private readonly MeterListener _metrics = new();

    private Observers()
    {
        _metrics.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Meter.Name == JobLockingDiagnostics.MeterName)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _metrics.SetMeasurementEventCallback<long>(static (_, _, _, _) => { });
        _metrics.SetMeasurementEventCallback<double>(static (_, _, _, _) => { });
        _metrics.Start();
    }

    public ILogger CreateLogger(string categoryName) => this;

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
    }

    public void Dispose() => _metrics.Dispose();
}
