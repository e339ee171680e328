using System.Net;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Receives the notifications to this process, in their order, and reports when the connection is back. StackExchange.Redis subscribes
/// again by itself, but only once: if that is refused or times out, it reports nothing, and every release would pass over the waiters of
/// this process. It also stays subscribed at a replica to which it moved while the primary was away: messages arrive there, but the
/// scripts do not count them, and each release would notify the whole queue. So each process checks its subscription every second, and
/// subscribes again if it was lost or moved to a replica.
/// </summary>
internal sealed class ProcessChannel : IAsyncDisposable
{
    /// <summary>What failed, for error messages.</summary>
    public const string What = "Subscribing to notifications";

    private readonly PeriodicTimer _watch = new(ConnectionTimes.SubscriptionCheck);

    private readonly RedisConnection _source;

    private readonly LockKeys _keys;

    private readonly Action<LockNotification> _onNotification;

    private readonly Lock _gate = new();

    private IConnectionMultiplexer _connection;

    private ChannelMessageQueue _messages;

    private bool _isOver;

    private ProcessChannel(
        RedisConnection source,
        IConnectionMultiplexer connection,
        ChannelMessageQueue messages,
        LockKeys keys,
        Action<LockNotification> onNotification)
    {
        _source = source;
        _connection = connection;
        _messages = messages;
        _keys = keys;
        _onNotification = onNotification;
    }

    /// <param name="source">Gives the connection, and the one that replaces it.</param>
    /// <param name="connection">The connection as it is now.</param>
    /// <param name="keys">The names of channels.</param>
    /// <param name="processId">The id of this process.</param>
    /// <param name="onNotification">Called with each notification.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public static async Task<ProcessChannel> OpenAsync(
        RedisConnection source,
        IConnectionMultiplexer connection,
        LockKeys keys,
        string processId,
        Action<LockNotification> onNotification,
        CancellationToken cancellationToken)
    {
        ChannelMessageQueue messages = await SubscribeAsync(
            connection.GetSubscriber(), keys.Channels.Of(processId), cancellationToken).ConfigureAwait(false);
        ProcessChannel opened = new(source, connection, messages, keys, onNotification);
        connection.ConnectionRestored += opened.OnRestored;

        // Notifications must not come in the execution context of the subscriber.
        using (ExecutionContext.SuppressFlow())
        {
            messages.OnMessage(opened.OnMessage);
            _ = opened.WatchAsync();
        }

        return opened;
    }

    public async ValueTask DisposeAsync()
    {
        _watch.Dispose();
        IConnectionMultiplexer connection;
        ChannelMessageQueue messages;
        lock (_gate)
        {
            _isOver = true;
            connection = _connection;
            messages = _messages;
        }

        connection.ConnectionRestored -= OnRestored;
        bool isConnected = connection.GetSubscriber().IsConnected(messages.Channel);

        // The client library forgets the subscription at once; the answer of the server is awaited only if it is connected.
        Task unsubscribed = RedisFault.Observed(messages.UnsubscribeAsync());
        if (!isConnected)
        {
            return;
        }

        try
        {
            await unsubscribed.WaitAsync(ConnectionTimes.LongestUnsubscribe).ConfigureAwait(false);
        }
        catch (Exception error) when (RedisFault.IsOne(error))
        {
            // The server forgets the subscription with the connection.
        }
    }

    private async Task WatchAsync()
    {
        int failures = 0;
        Exception? refused = null;
        while (await _watch.WaitForNextTickAsync().ConfigureAwait(false))
        {
            try
            {
                if (failures == ConnectionTimes.ChecksUntilReported)
                {
                    _onNotification(new LockNotification.SubscriptionLost(refused is null
                        ? new LockStoreException($"{What}: there is no connection for messages.", mayHaveBeenApplied: false)
                        : RedisFault.Translate(refused, What)));
                }

                (failures, refused) = await MakeSureAsync().ConfigureAwait(false) ? (0, null) : (failures + 1, refused);
            }
#pragma warning disable CA1031 // It is tried again soon, whatever the error is: the watch must go on.
            catch (Exception error)
#pragma warning restore CA1031
            {
                failures++;
                refused = error;
            }
        }
    }

    private static async Task<ChannelMessageQueue> SubscribeAsync(
        ISubscriber subscriber, RedisChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            Task<ChannelMessageQueue> subscribed = RedisFault.Observed(subscriber.SubscribeAsync(channel));
            return await subscribed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // Otherwise the subscription would become active with the connection, and wake-ups would go to a process that ignores them. The
            // client library does not know of a subscription that the server makes after that: the next attempt ends it.
            _ = RedisFault.Observed(subscriber.UnsubscribeAsync(channel));
            throw;
        }
    }

    /// <returns>False if there is no connection to subscribe with.</returns>
    private async Task<bool> MakeSureAsync()
    {
        IConnectionMultiplexer connection = await _source.GetAsync(CancellationToken.None).ConfigureAwait(false);
        bool isReplaced = connection != _connection;
        ISubscriber subscriber = connection.GetSubscriber();
        RedisChannel channel = _messages.Channel;
        if (!isReplaced && IsWell(connection, subscriber.SubscribedEndpoint(channel)))
        {
            return true;
        }

        if (!subscriber.IsConnected(channel))
        {
            return false;
        }

        if (!isReplaced)
        {
            // The client library does not move a subscription to another server while it is in use.
            _ = RedisFault.Observed(_messages.UnsubscribeAsync());
        }

        ChannelMessageQueue messages = await SubscribeAsync(subscriber, channel, CancellationToken.None).ConfigureAwait(false);
        lock (_gate)
        {
            if (_isOver)
            {
                _ = RedisFault.Observed(messages.UnsubscribeAsync());
                return true;
            }

            messages.OnMessage(OnMessage);
            _messages = messages;
            if (isReplaced)
            {
                _connection.ConnectionRestored -= OnRestored;
                connection.ConnectionRestored += OnRestored;
                _connection = connection;
            }
        }

        _onNotification(new LockNotification.Reconnected(isReplaced ? RedisConnection.WhyReplaced : null));
        return true;
    }

    private static bool IsWell(IConnectionMultiplexer connection, EndPoint? subscribed)
    {
        IServer[] servers = connection.GetServers();
        return subscribed is not null
            && (!servers.Any(server => server.IsReplica && subscribed.Equals(server.EndPoint))
                || !servers.Any(server => server is { IsReplica: false, IsConnected: true }));
    }

    private void OnMessage(ChannelMessage message)
    {
        // Any client may publish to this channel.
        if (NotificationText.Read((string?)message.Message ?? "", _keys) is { } notification)
        {
            _onNotification(notification);
        }
    }

    // For each of the two connections that RESP2 needs: without the one for subscriptions, notifications are lost; without the other one,
    // answers are. A second notification does no harm.
    private void OnRestored(object? sender, ConnectionFailedEventArgs restored) => _onNotification(new LockNotification.Reconnected());
}
