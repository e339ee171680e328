namespace WorkerHost;

/// <summary>Copies the skips, deferrals and losses that a node logs into the journal.</summary>
internal sealed class DecisionLog(Journal journal) : ILoggerProvider, ILogger
{
    private readonly Lock _gate = new();
    private Task _written = Task.CompletedTask;

    /// <summary>Completes when everything that was logged so far is in the journal.</summary>
    public Task WrittenAsync()
    {
        lock (_gate)
        {
            return _written;
        }
    }

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        // JobLocking's event ids are stable from version to version.
        JournalKind? kind = eventId.Id switch
        {
            1005 => JournalKind.Lost,
            1100 => JournalKind.Skipped,
            1101 => JournalKind.Deferred,
            _ => null,
        };
        if (kind is null || state is not IEnumerable<KeyValuePair<string, object?>> values)
        {
            return;
        }

        string? work = ValueOf("LockName");
        string text = ValueOf("Reason") ?? formatter(state, exception);
        lock (_gate)
        {
            _written = Task.WhenAll(_written, journal.AppendAsync(kind.Value, entry => entry with { Work = work, Text = text }));
        }

        string? ValueOf(string property) => values.FirstOrDefault(value => value.Key == property).Value?.ToString();
    }

    public ILogger CreateLogger(string categoryName) => this;

    public bool IsEnabled(LogLevel logLevel) => true;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Dispose()
    {
    }
}
