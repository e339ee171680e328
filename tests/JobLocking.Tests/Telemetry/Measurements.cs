using System.Diagnostics.Metrics;

namespace JobLocking.Tests.Telemetry;

/// <summary>Everything that the meters of one container measure, from its creation on.</summary>
internal sealed class Measurements : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<Measurement> _all = [];

    public Measurements(IMeterFactory container)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == JobLockingDiagnostics.MeterName && instrument.Meter.Scope == container)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    public IReadOnlyList<Measurement> All
    {
        get
        {
            lock (_all)
            {
                return [.. _all];
            }
        }
    }

    /// <summary>The measurements of one instrument in turn: <c>1 lock=x scheduler=Test outcome=granted</c>.</summary>
    public IReadOnlyList<string> Of(string instrument) => [.. All.Where(m => m.Instrument == instrument).Select(m => FormattableString.Invariant($"{m.Value} {m.Tags}"))];

    public double Sum(string instrument) => All.Where(m => m.Instrument == instrument).Sum(m => m.Value);

    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string text = string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key.Replace("joblocking.", "", StringComparison.Ordinal)}={tag.Value}"));
        lock (_all)
        {
            _all.Add(new Measurement(instrument.Name, value, text));
        }
    }

    internal readonly record struct Measurement(string Instrument, double Value, string Tags);
}
