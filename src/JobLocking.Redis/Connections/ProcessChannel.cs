using System.Net;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Hears what is published to this process, in that order, and when the connection is back. StackExchange.Redis subscribes
/// again by itself, but only once: if that is refused or times out, it says nothing, and every release would pass over a
/// process that waits. Nor does it leave a replica, where it went while the primary was away, or was when that failed over:
/// what is published is heard there too, but not counted by the scripts, and each release would tell the whole queue. So it
/// is watched.
/// </summary>
internal sealed class ProcessChannel : IAsyncDisposable
{
    // Nothing depends on it, and a Redis that is frozen must not keep the host from stopping.
    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(1);

    // The client is asked what it knows; no command is sent for it.
    private readonly PeriodicTimer _watch = new(TimeSpan.FromSeconds(1));

    private readonly IConnectionMultiplexer _connection;

    private readonly LockKeys _keys;

    private readonly Action<LockNotice> _onNotice;

    private readonly Lock _gate = new();

    private ChannelMessageQueue _messages;

    private bool _isOver;

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
        ChannelMessageQueue messages = await SubscribeAsync(connection.GetSubscriber(), keys.Channel(processId), cancellationToken).ConfigureAwait(false);
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
        ChannelMessageQueue messages;
        lock (_gate)
        {
            _isOver = true;
            messages = _messages;
        }

        bool isConnected = _connection.GetSubscriber().IsConnected(messages.Channel);

        // Forgotten here at once; the server is waited for only if it can answer.
        Task unsubscribed = RedisFault.Observed(messages.UnsubscribeAsync());
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

    private static async Task<ChannelMessageQueue> SubscribeAsync(ISubscriber subscriber, RedisChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            Task<ChannelMessageQueue> subscribed = RedisFault.Observed(subscriber.SubscribeAsync(channel));
            return await subscribed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // It would come alive with the connection, and a process that hears nothing would be told of its turns.
            _ = RedisFault.Observed(subscriber.UnsubscribeAsync(channel));
            throw;
        }
    }

    private async Task MakeSureAsync()
    {
        ISubscriber subscriber = _connection.GetSubscriber();
        RedisChannel channel = _messages.Channel;
        if (IsWell(subscriber.SubscribedEndpoint(channel)) || !subscriber.IsConnected(channel))
        {
            return;
        }

        // The client leaves a subscription where it is for as long as somebody has it.
        _ = RedisFault.Observed(_messages.UnsubscribeAsync());
        ChannelMessageQueue messages = await SubscribeAsync(subscriber, channel, CancellationToken.None).ConfigureAwait(false);
        lock (_gate)
        {
            if (_isOver)
            {
                _ = RedisFault.Observed(messages.UnsubscribeAsync());
                return;
            }

            messages.OnMessage(OnMessage);
            _messages = messages;
        }

        _onNotice(new LockNotice.Reconnected());
    }

    private bool IsWell(EndPoint? subscribed)
    {
        IServer[] servers = _connection.GetServers();
        return subscribed is not null
            && (!servers.Any(server => server.IsReplica && subscribed.Equals(server.EndPoint)) || !servers.Any(server => server is { IsReplica: false, IsConnected: true }));
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
