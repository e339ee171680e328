using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace JobLocking.Quartz.Tests;

/// <summary>What a node logged.</summary>
internal sealed class Logs : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<(int Event, LogLevel Level, string Text)> _all = [];

    public IEnumerable<(LogLevel Level, string Text)> Of(int @event) => _all.Where(l => l.Event == @event).Select(l => (l.Level, l.Text));

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _all.Enqueue((eventId.Id, logLevel, formatter(state, exception)));

    public void Dispose()
    {
    }
}
