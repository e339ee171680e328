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
    /// <summary>How it is called where it fails.</summary>
    public const string What = "Subscribing to notifications";

    // Nothing depends on it, and a Redis that is frozen must not keep the host from stopping.
    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(1);

    // What takes longer is said: a connection that breaks is mostly back by then.
    private const int PollsUntilSaid = 5;

    // The client is asked what it knows; no command is sent for it.
    private readonly PeriodicTimer _watch = new(TimeSpan.FromSeconds(1));

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

    /// <param name="source">Where the connection comes from, and the one that takes its place if it is made again.</param>
    /// <param name="connection">The connection as it is now.</param>
    /// <param name="keys">The names of channels.</param>
    /// <param name="processId">The id of this process.</param>
    /// <param name="onNotification">Is called with what is heard.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    public static async Task<ProcessChannel> OpenAsync(
        RedisConnection source,
        IConnectionMultiplexer connection,
        LockKeys keys,
        string processId,
        Action<LockNotification> onNotification,
        CancellationToken cancellationToken)
    {
        ChannelMessageQueue messages =
            await SubscribeAsync(connection.GetSubscriber(), keys.Channel(processId), cancellationToken).ConfigureAwait(false);
        ProcessChannel opened = new(source, connection, messages, keys, onNotification);
        connection.ConnectionRestored += opened.OnRestored;

        // Otherwise all notifications would arrive in the context of the subscriber.
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
        int inVain = 0;
        Exception? refused = null;
        while (await _watch.WaitForNextTickAsync().ConfigureAwait(false))
        {
            try
            {
                if (inVain == PollsUntilSaid)
                {
                    _onNotification(new LockNotification.SubscriptionLost(refused is null
                        ? new LockStoreException($"{What}: there is no connection for them.", mayHaveBeenApplied: false)
                        : RedisFault.Translate(refused, What)));
                }

                (inVain, refused) = await MakeSureAsync().ConfigureAwait(false) ? (0, null) : (inVain + 1, refused);
            }
#pragma warning disable CA1031 // It is tried again soon after any error: nothing else observes it.
            catch (Exception error)
#pragma warning restore CA1031
            {
                inVain++;
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
            // It would come alive with the connection, and a process that receives nothing would be woken. What the
            // server subscribes to after that the client does not know: the next try is what makes an end of it.
            _ = RedisFault.Observed(subscriber.UnsubscribeAsync(channel));
            throw;
        }
    }

    /// <returns>False if there is no connection to subscribe with.</returns>
    private async Task<bool> MakeSureAsync()
    {
        IConnectionMultiplexer connection = await _source.GetAsync(CancellationToken.None).ConfigureAwait(false);
        bool isMadeAgain = connection != _connection;
        ISubscriber subscriber = connection.GetSubscriber();
        RedisChannel channel = _messages.Channel;
        if (!isMadeAgain && IsWell(connection, subscriber.SubscribedEndpoint(channel)))
        {
            return true;
        }

        if (!subscriber.IsConnected(channel))
        {
            return false;
        }

        if (!isMadeAgain)
        {
            // The client leaves a subscription where it is as long as it has a handler.
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
            if (isMadeAgain)
            {
                _connection.ConnectionRestored -= OnRestored;
                connection.ConnectionRestored += OnRestored;
                _connection = connection;
            }
        }

        _onNotification(new LockNotification.Reconnected(isMadeAgain ? RedisConnection.WhyMadeAgain : null));
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
        // Anybody may publish here.
        if (NotificationText.Read((string?)message.Message ?? "", _keys) is { } notification)
        {
            _onNotification(notification);
        }
    }

    // Each of the two that RESP2 needs: notifications are lost without the one for subscriptions, replies without the other. A
    // second report does no harm.
    private void OnRestored(object? sender, ConnectionFailedEventArgs restored) => _onNotification(new LockNotification.Reconnected());
}
