using System.Collections;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace JobLocking.Redis.Tests.Security;

/// <summary>All logs, metrics and traces of the process, from every source.</summary>
internal sealed class Overheard : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<string> _said = new();

    private readonly MeterListener _meters = new();

    private readonly ActivityListener _spans;

    public Overheard()
    {
        _meters.InstrumentPublished = static (instrument, listener) => listener.EnableMeasurementEvents(instrument);
        _meters.SetMeasurementEventCallback<long>((_, _, tags, _) => Add(tags));
        _meters.SetMeasurementEventCallback<double>((_, _, tags, _) => Add(tags));
        _meters.Start();
        _spans = new ActivityListener
        {
            ShouldListenTo = static _ => true,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = Add,
        };
        ActivitySource.AddActivityListener(_spans);
    }

    public IReadOnlyCollection<string> Said => _said;

    public void Add(string text) => _said.Enqueue(text);

    /// <summary>Everything that an exception shows.</summary>
    public void Add(Exception? error)
    {
        for (; error is not null; error = error.InnerException)
        {
            _said.Enqueue(error.ToString());
            foreach (DictionaryEntry data in error.Data)
            {
                _said.Enqueue($"{data.Key}={data.Value}");
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        _said.Enqueue($"{eventId.Id}: {formatter(state, exception)}");
        if (state is IEnumerable<KeyValuePair<string, object?>> values)
        {
            Add([.. values]);
        }

        Add(exception);
    }

    public void Dispose()
    {
        _meters.Dispose();
        _spans.Dispose();
    }

    private void Add(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach ((string key, object? value) in tags)
        {
            _said.Enqueue($"{key}={value}");
        }
    }

    private void Add(Activity span)
    {
        _said.Enqueue($"{span.DisplayName} {span.StatusDescription}");
        Add([.. span.TagObjects]);
        foreach (ActivityEvent at in span.Events)
        {
            Add([.. at.Tags]);
        }
    }
}
