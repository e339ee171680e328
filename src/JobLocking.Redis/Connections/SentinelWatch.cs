using System.Globalization;
using System.Net;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>One sentinel, on a connection of its own: asked once a second and after each of its messages.</summary>
internal sealed class SentinelWatch(SentinelMonitor monitor, ConfigurationOptions configuration, EndPoint sentinel) : IAsyncDisposable
{
    // Published by the sentinel that leads a failover, about 0.1 s before it promotes the replica.
    private const string ReplicaSelected = "+selected-slave";

    private static readonly string[] Channels = [ReplicaSelected, "+promoted-slave", "+switch-master"];

    private readonly CancellationTokenSource _closed = new();

    private readonly SemaphoreSlim _asks = new(0);

    private Task _watching = Task.CompletedTask;

    private long _answeredAt;

    // Set by its message, and cleared when it says that the failover is over.
    private volatile bool _leads;

    public string Address => EndPointCollection.ToString(sentinel);

    /// <summary>The primary that it named last. Guarded by the monitor.</summary>
    public EndPoint? Primary { get; private set; }

    /// <summary>How new that is: the sentinels count failovers. Guarded by the monitor.</summary>
    public long Epoch { get; private set; }

    public bool IsServiceUnknown { get; private set; }

    /// <summary>The connection string names it.</summary>
    public bool IsGiven { get; init; }

    /// <summary>Its last answer is new enough to count.</summary>
    public bool IsFresh => SinceAnswer < ConnectionTimes.SentinelAnswerIsFresh;

    /// <summary>It has not answered for so long that it is reported.</summary>
    public bool IsSilent => SinceAnswer > ConnectionTimes.SentinelsAreSilent;

    private TimeSpan SinceAnswer =>
        Volatile.Read(ref _answeredAt) is not 0 and var at ? TimeProvider.System.GetElapsedTime(at) : TimeSpan.MaxValue;

    /// <returns>Null if this is no address.</returns>
    public static EndPoint? EndPointOf(string host, string port) =>
        host.Length == 0 || !ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out ushort number) || number == 0
            ? null
            : IPAddress.TryParse(host, out IPAddress? address) ? new IPEndPoint(address, number) : new DnsEndPoint(host, number);

    public void Begin() => _watching = RedisFault.Observed(Task.Run(WatchAsync));

    public void Answered(EndPoint primary, long epoch)
    {
        (Primary, Epoch, IsServiceUnknown) = (primary, epoch, false);
        Volatile.Write(ref _answeredAt, TimeProvider.System.GetTimestamp());
    }

    /// <summary>Asks at once.</summary>
    public void Ask()
    {
        if (_asks.CurrentCount == 0)
        {
            _asks.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task WatchAsync()
    {
        ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(Options()).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            ISubscriber subscriber = connection.GetSubscriber();
            foreach (string channel in Channels)
            {
                // Without a connection this fails, and the client library subscribes as soon as it has one.
                _ = RedisFault.Observed(
                    subscriber.SubscribeAsync(RedisChannel.Literal(channel), (_, text) => OnMessage(channel, $"{text}")));
            }

            IServer server = connection.GetServer(sentinel);
            for (int asked = 0; ; asked++)
            {
                await AskAsync(server, discovers: asked % ConnectionTimes.AnswersUntilDiscovery == 0).ConfigureAwait(false);
                TimeSpan pause = monitor.IsPromotionUnderWay ? ConnectionTimes.ShortestReconnect : ConnectionTimes.SentinelsAreAsked;
                await _asks.WaitAsync(pause, _closed.Token).ConfigureAwait(false);
            }
        }
    }

    private void OnMessage(string channel, string text)
    {
        if (channel == ReplicaSelected && text.Contains($"@ {monitor.Service} ", StringComparison.Ordinal))
        {
            monitor.PromotionBegins();
            _leads = true;
        }

        Ask();
    }

    private async Task AskAsync(IServer server, bool discovers)
    {
        // An answer to a question from before the message says nothing about its failover.
        bool leads = _leads;
        try
        {
            Task<RedisResult> asked = SendAsync("MASTER"), addressed = SendAsync("GET-MASTER-ADDR-BY-NAME");
            Dictionary<string, RedisResult> state = (await asked.ConfigureAwait(false)).ToDictionary();
            if ((string?[]?)await addressed.ConfigureAwait(false) is [{ } host, { } port] && EndPointOf(host, port) is { } primary)
            {
                monitor.Answered(
                    this, primary, (long)state["config-epoch"], TimeSpan.FromMilliseconds((long)state["down-after-milliseconds"]));
            }

            if (leads && !((string)state["flags"]!).Contains("failover_in_progress", StringComparison.Ordinal))
            {
                _leads = false;
                monitor.PromotionEnds(isKnown: true);
            }

            if (discovers)
            {
                Task<RedisResult> replicas = SendAsync("REPLICAS"), sentinels = SendAsync("SENTINELS");
                await monitor.DiscoveredAsync(
                    this, EndPoints(await replicas.ConfigureAwait(false)), EndPoints(await sentinels.ConfigureAwait(false)))
                    .ConfigureAwait(false);
            }
        }
        catch (RedisServerException error) when (error.Message.Contains("No such master", StringComparison.Ordinal))
        {
            IsServiceUnknown = true;
        }
#pragma warning disable CA1031 // It is asked again soon, whatever the error is, and the other sentinels answer meanwhile.
        catch (Exception)
#pragma warning restore CA1031
        {
        }

        monitor.PromotionEnds(isKnown: false);

        Task<RedisResult> SendAsync(string question) => RedisFault.Observed(server.ExecuteAsync("SENTINEL", question, monitor.Service));
    }

    private static EndPoint[] EndPoints(RedisResult members) =>
    [
        .. ((RedisResult[])members!).Select(member => member.ToDictionary())
            .Select(member => EndPointOf((string)member["ip"]!, (string)member["port"]!))
            .OfType<EndPoint>(),
    ];

    private ConfigurationOptions Options()
    {
        ConfigurationOptions options = configuration.Clone();
        options.EndPoints.Clear();
        options.EndPoints.Add(sentinel);
        (options.User, options.Password) = (configuration.SentinelUser, configuration.SentinelPassword);
        options.ServiceName = options.TieBreaker = options.ConfigurationChannel = "";
        options.CommandMap = CommandMap.Sentinel;
        options.ChannelPrefix = default;
        options.DefaultDatabase = null;
        options.AbortOnConnectFail = false;
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.ReconnectRetryPolicy = new LinearRetry((int)ConnectionTimes.SentinelsAreAsked.TotalMilliseconds / 2);

        // A sentinel that accepts a connection and is silent must not delay what the others say.
        int patience = (int)ConnectionTimes.LongestSentinelAnswer.TotalMilliseconds;
        options.ConnectTimeout = Math.Min(options.ConnectTimeout, patience);
        options.AsyncTimeout = Math.Min(options.AsyncTimeout, patience);
        return options;
    }
}
