using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Hears what is published to this process and when the connection is back. StackExchange.Redis subscribes again by itself.
/// </summary>
internal sealed class ProcessChannel : IAsyncDisposable
{
    private readonly IConnectionMultiplexer _connection;

    private readonly RedisChannel _channel;

    private readonly Action<LockNotice> _onNotice;

    private ProcessChannel(IConnectionMultiplexer connection, RedisChannel channel, Action<LockNotice> onNotice)
    {
        _connection = connection;
        _channel = channel;
        _onNotice = onNotice;
    }

    public static async Task<ProcessChannel> OpenAsync(
        IConnectionMultiplexer connection, RedisChannel channel, Action<LockNotice> onNotice, CancellationToken cancellationToken)
    {
        ProcessChannel opened = new(connection, channel, onNotice);
        try
        {
            Task subscribed = RedisFault.Observed(connection.GetSubscriber().SubscribeAsync(channel, opened.OnMessage));
            await subscribed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // It would come alive with the connection, and the caller would listen twice.
            await opened.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        connection.ConnectionRestored += opened.OnRestored;
        return opened;
    }

    public async ValueTask DisposeAsync()
    {
        _connection.ConnectionRestored -= OnRestored;
        ISubscriber subscriber = _connection.GetSubscriber();
        bool isConnected = subscriber.IsConnected(_channel);

        // Forgotten here at once; the server is waited for only if it can answer.
        Task unsubscribed = RedisFault.Observed(subscriber.UnsubscribeAsync(_channel, OnMessage));
        if (!isConnected)
        {
            return;
        }

        try
        {
            await unsubscribed.ConfigureAwait(false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            // The server forgets the subscription with the connection.
        }
    }

    private void OnMessage(RedisChannel channel, RedisValue leaseId) => _onNotice(new LockNotice.Broken((string?)leaseId ?? ""));

    private void OnRestored(object? sender, ConnectionFailedEventArgs restored)
    {
        if (restored.ConnectionType == ConnectionType.Interactive)
        {
            _onNotice(new LockNotice.Reconnected());
        }
    }
}
