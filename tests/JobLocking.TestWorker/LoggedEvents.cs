using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace JobLocking.TestWorker;

/// <summary>Reports the id of each event that JobLocking logs, and the warnings of others.</summary>
internal sealed class LoggedEvents : ILoggerProvider
{
    public static HostApplicationBuilder CreateHost()
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Debug).AddProvider(new LoggedEvents());
        return builder;
    }

    public ILogger CreateLogger(string categoryName) => new Logger(categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(string category) : ILogger
    {
        /// <summary>An execution that stands by says so at Debug.</summary>
        private const int StandsBy = 1116;

        private readonly bool _isOurs = category.StartsWith("JobLocking", StringComparison.Ordinal);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= (_isOurs ? LogLevel.Debug : LogLevel.Warning);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel) && (logLevel >= LogLevel.Information || eventId.Id == StandsBy))
            {
                WorkerOutput.Report($"event {eventId.Id} {category}: {formatter(state, exception)} {exception?.Message}".ReplaceLineEndings(" "));
            }
        }
    }
}
