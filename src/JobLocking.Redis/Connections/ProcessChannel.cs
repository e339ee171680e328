using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Hears what is published to this process, in that order, and when the connection is back. StackExchange.Redis subscribes
/// again by itself, but only once: if that is refused or times out, it says nothing, and every release would pass over a
/// process that waits. So it is watched.
/// </summary>
internal sealed class ProcessChannel : IAsyncDisposable
{
    // Nothing depends on it, and a Redis that is frozen must not keep the host from stopping.
    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(1);

    // The client is asked what it knows; no command is sent for it.
    private readonly PeriodicTimer _watch = new(TimeSpan.FromSeconds(1));

    private readonly IConnectionMultiplexer _connection;

    private readonly ChannelMessageQueue _messages;

    private readonly LockKeys _keys;

    private readonly Action<LockNotice> _onNotice;

    private ProcessChannel(IConnectionMultiplexer connection, ChannelMessageQueue messages, LockKeys keys, Action<LockNotice> onNotice)
    {
        _connection = connection;
        _messages = messages;
        _keys = keys;
        _onNotice = onNotice;
    }

    public static async Task<ProcessChannel> OpenAsync(
        IConnectionMultiplexer connection, LockKeys keys, string processId, Action<LockNotice> onNotice, CancellationToken cancellationToken)
    {
        ISubscriber subscriber = connection.GetSubscriber();
        RedisChannel channel = keys.Channel(processId);
        ChannelMessageQueue messages;
        try
        {
            Task<ChannelMessageQueue> subscribed = RedisFault.Observed(subscriber.SubscribeAsync(channel));
            messages = await subscribed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // It would come alive with the connection, and a process that hears nothing would be told of its turns.
            _ = RedisFault.Observed(subscriber.UnsubscribeAsync(channel));
            throw;
        }

        ProcessChannel opened = new(connection, messages, keys, onNotice);
        connection.ConnectionRestored += opened.OnRestored;

        // Else all notices would come in the context of who listens.
        using (ExecutionContext.SuppressFlow())
        {
            messages.OnMessage(opened.OnMessage);
            _ = opened.WatchAsync();
        }

        return opened;
    }

    public async ValueTask DisposeAsync()
    {
        _connection.ConnectionRestored -= OnRestored;
        _watch.Dispose();
        bool isConnected = _connection.GetSubscriber().IsConnected(_messages.Channel);

        // Forgotten here at once; the server is waited for only if it can answer.
        Task unsubscribed = RedisFault.Observed(_messages.UnsubscribeAsync());
        if (!isConnected)
        {
            return;
        }

        try
        {
            await unsubscribed.WaitAsync(LongestGoodbye).ConfigureAwait(false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            // The server forgets the subscription with the connection.
        }
    }

    private async Task WatchAsync()
    {
        while (await _watch.WaitForNextTickAsync().ConfigureAwait(false))
        {
            try
            {
                await MakeSureAsync().ConfigureAwait(false);
            }
            catch (Exception error) when (RedisFault.IsOne(error))
            {
                // It is tried again soon.
            }
        }
    }

    private async Task MakeSureAsync()
    {
        ISubscriber subscriber = _connection.GetSubscriber();
        if (subscriber.SubscribedEndpoint(_messages.Channel) is not null || !subscriber.IsConnected(_messages.Channel))
        {
            return;
        }

        try
        {
            // One more who wants the channel has the client ask the server for it; those who had it hear again.
            await RedisFault.Observed(subscriber.SubscribeAsync(_messages.Channel, Ignore)).ConfigureAwait(false);
        }
        finally
        {
            _ = RedisFault.Observed(subscriber.UnsubscribeAsync(_messages.Channel, Ignore));
        }

        _onNotice(new LockNotice.Reconnected());
    }

    private static void Ignore(RedisChannel channel, RedisValue message)
    {
    }

    private void OnMessage(ChannelMessage message)
    {
        // Anybody may publish here.
        if (NoticeText.Read((string?)message.Message ?? "", _keys) is { } notice)
        {
            _onNotice(notice);
        }
    }

    // Each of the two that RESP2 needs: notices are lost without the one for subscriptions, answers without the other. To be
    // told twice does no harm.
    private void OnRestored(object? sender, ConnectionFailedEventArgs restored) => _onNotice(new LockNotice.Reconnected());
}
