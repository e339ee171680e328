using System.Diagnostics.Metrics;
using System.Globalization;
using JobLocking;

namespace WorkerHost;

/// <summary>
/// Sums up the metrics of the nodes of this process and prints them at the end. A real worker process calls
/// AddJobLockingInstrumentation() of OpenTelemetry instead.
/// </summary>
internal sealed class Metrics : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly SortedDictionary<string, Series> _series = new(StringComparer.Ordinal);

    public Metrics()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == JobLockingDiagnostics.MeterName)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    public void Print()
    {
        lock (_series)
        {
            foreach ((string name, Series series) in _series)
            {
                double average = series.Sum / series.Count;
                Console.WriteLine(series.IsHistogram
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"{name}: {series.Count} times, {average:0.0000} s on average, {series.Max:0.0000} s at most")
                    : string.Create(CultureInfo.InvariantCulture, $"{name}: {series.Sum}"));
            }
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string name = instrument.Name;
        foreach ((string tag, object? tagged) in tags)
        {
            name += $" {tag["joblocking.".Length..]}={tagged}";
        }

        lock (_series)
        {
            Series old = _series.GetValueOrDefault(name);
            _series[name] = new Series(old.Count + 1, old.Sum + value, Math.Max(old.Max, value), instrument is Histogram<double>);
        }
    }

    private readonly record struct Series(int Count, double Sum, double Max, bool IsHistogram);
}
