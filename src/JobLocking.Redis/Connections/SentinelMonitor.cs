using System.Net;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Follows the sentinels of a service: which server is the primary, and whether it is about to change. Sentinel leaves a demoted primary
/// writable for about ten seconds, and one that comes back after a crash as well. So the roles that servers report do not count here.
/// </summary>
/// <remarks>
/// The tunnels of all connections are paused from the moment at which a sentinel selects a replica to promote until each has its first
/// socket to the new primary. The sentinels name the new primary up to a second after its promotion: what the old one acknowledges
/// meanwhile is lost.
/// </remarks>
internal sealed class SentinelMonitor : IAsyncDisposable
{
    private const int DefaultPort = 26379;

    private readonly ConfigurationOptions _configuration;

    private readonly CancellationTokenSource _closed = new();

    private readonly TaskCompletionSource _named = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly List<PrimaryTunnel> _tunnels = [];

    private readonly Dictionary<EndPoint, SentinelWatch> _watches = [];

    // Servers that a sentinel has named as the primary or as a replica: the only ones that a message on a server's channel may name.
    private readonly HashSet<EndPoint> _members = [];

    private long _epoch;

    // When the promotion that is under way began; 0 if there is none.
    private long _promotionBeganAt;

    private volatile EndPoint? _primary;

    private TimeSpan? _downAfter;

    private SentinelMonitor(ConfigurationOptions configuration) => _configuration = configuration;

    public string Service => _configuration.ServiceName!;

    /// <summary>The server that the sentinels name, as they name it; null before the first answer.</summary>
    public EndPoint? Primary => _primary;

    /// <summary>After this time without an answer the sentinels consider a server down; null while it is not known.</summary>
    public TimeSpan? DownAfter
    {
        get
        {
            lock (Gate)
            {
                return _downAfter;
            }
        }
    }

    /// <summary>Guards the state of the monitor and of its tunnels.</summary>
    public Lock Gate { get; } = new();

    /// <summary>A sentinel has selected the replica that it will promote, and none has named a new primary yet.</summary>
    public bool IsPromotionUnderWay => Volatile.Read(ref _promotionBeganAt) != 0;

    /// <returns>Null if the connection names no service.</returns>
    public static SentinelMonitor? Of(RedisLockOptions options)
    {
        ConfigurationOptions? configuration = options.ConfigurationOptions?.Clone()
            ?? (string.IsNullOrWhiteSpace(options.Configuration) ? null : ConfigurationOptions.Parse(options.Configuration));
        return string.IsNullOrEmpty(configuration?.ServiceName) ? null : new SentinelMonitor(configuration);
    }

    /// <summary>All that are asked: those of the connection string, and those that they have named.</summary>
    public IReadOnlyList<SentinelWatch> Watches
    {
        get
        {
            lock (Gate)
            {
                return [.. _watches.Values];
            }
        }
    }

    /// <summary>A tunnel for one more connection to the primary.</summary>
    public PrimaryTunnel CreateTunnel()
    {
        PrimaryTunnel tunnel = new(this);
        lock (Gate)
        {
            _tunnels.Add(tunnel);
        }

        return tunnel;
    }

    /// <summary>Begins to follow the sentinels, and waits a moment for the first answer.</summary>
    public async Task BeginAsync()
    {
        foreach (EndPoint sentinel in _configuration.EndPoints)
        {
            await WatchAsync(sentinel, isGiven: true).ConfigureAwait(false);
        }

        Task patience = Task.Delay(TimeSpan.FromMilliseconds(_configuration.ConnectTimeout), TimeProvider.System, _closed.Token);
        await Task.WhenAny(_named.Task, patience).ConfigureAwait(false);
    }

    /// <summary>What is wrong with the sentinels; null if they answer.</summary>
    public string? Problem()
    {
        IReadOnlyList<SentinelWatch> watches = Watches;
        string which = string.Join(", ", watches.Select(watch => watch.Address));
        return watches.Any(watch => !watch.IsSilent) ? null
            : watches.Any(watch => watch.IsServiceUnknown)
                ? $"The sentinels {which} know no service '{Service}'. Fix: correct serviceName in the connection string."
                : $"No sentinel of service '{Service}' has answered for {ConnectionTimes.SentinelsAreSilent.TotalSeconds:0} s ({which}): "
                    + "JobLocking may not learn of a failover. Fix: check these addresses, and sentinelPassword.";
    }

    /// <summary>A sentinel has answered.</summary>
    public void Answered(SentinelWatch sentinel, EndPoint primary, long epoch, TimeSpan downAfter)
    {
        lock (Gate)
        {
            _downAfter = downAfter;
            _members.Add(primary);
            sentinel.Answered(primary, epoch);
            SentinelWatch[] fresh = [.. _watches.Values.Where(watch => watch.IsFresh)];
            SentinelWatch newest = fresh.MaxBy(watch => watch.Epoch) ?? sentinel;
            if (newest.Primary!.Equals(_primary))
            {
                _epoch = newest.Epoch;
                return;
            }

            // A sentinel that lags behind names the old primary with an older epoch. After a reset all of them begin with a lower one.
            bool isOutvoted = newest.Epoch <= _epoch
                && (fresh.Any(watch => watch.Primary!.Equals(_primary)) || fresh.Length * 2 <= _watches.Count);
            if (_primary is null || !isOutvoted)
            {
                MoveNeedsLock(newest.Primary, newest.Epoch);
            }
        }
    }

    /// <summary>A sentinel has named the replicas and the other sentinels of the service.</summary>
    public async Task DiscoveredAsync(SentinelWatch by, IReadOnlyList<EndPoint> replicas, IReadOnlyList<EndPoint> sentinels)
    {
        KeyValuePair<EndPoint, SentinelWatch>[] gone;
        lock (Gate)
        {
            _members.UnionWith(replicas);

            // A sentinel that comes back with another address leaves the old one behind.
            gone = [.. _watches.Where(one => one.Value != by && !one.Value.IsGiven && one.Value.IsSilent && !sentinels.Contains(one.Key))];
            foreach ((EndPoint at, _) in gone)
            {
                _watches.Remove(at);
            }
        }

        foreach ((_, SentinelWatch watch) in gone)
        {
            await watch.DisposeAsync().ConfigureAwait(false);
        }

        foreach (EndPoint sentinel in sentinels)
        {
            await WatchAsync(sentinel, isGiven: false).ConfigureAwait(false);
        }
    }

    /// <summary>A sentinel promotes a replica in a moment: nothing is sent until it is done, or given up.</summary>
    public void PromotionBegins()
    {
        lock (Gate)
        {
            Volatile.Write(ref _promotionBeganAt, TimeProvider.System.GetTimestamp());
            _tunnels.ForEach(tunnel => tunnel.PauseNeedsLock());
        }
    }

    /// <summary>The old primary stays. Called by the sentinel that began, or by any when it took too long.</summary>
    public void PromotionEnds(bool isKnown)
    {
        lock (Gate)
        {
            if (IsPromotionUnderWay
                && (isKnown || TimeProvider.System.GetElapsedTime(_promotionBeganAt) > ConnectionTimes.LongestPromotion))
            {
                Volatile.Write(ref _promotionBeganAt, 0);
                _tunnels.ForEach(tunnel => tunnel.ResumeNeedsLock());
            }
        }
    }

    /// <summary>
    /// Reads what sentinels publish through every server, for a client that cannot reach them. Any client may publish there. So while a
    /// sentinel answers, the message only makes the monitor ask; otherwise it may name a server that a sentinel has named before.
    /// </summary>
    public void ReadHello(string text)
    {
        if (text.Split(',') is not [_, _, _, _, var service, var host, var port, var configEpoch]
            || service != Service
            || SentinelWatch.EndPointOf(host, port) is not { } primary
            || !long.TryParse(configEpoch, out long epoch))
        {
            return;
        }

        lock (Gate)
        {
            if (primary.Equals(_primary) || epoch <= _epoch)
            {
                return;
            }

            foreach (SentinelWatch watch in _watches.Values)
            {
                watch.Ask();
            }

            if (_members.Contains(primary) && _watches.Values.All(watch => !watch.IsFresh))
            {
                MoveNeedsLock(primary, epoch);
            }
        }
    }

    /// <summary>Why nothing can be sent, for a request that has waited for the end of a pause.</summary>
    public LockStoreException Unavailable(string what)
    {
        string why = Primary is not { } primary ? $"no sentinel has named the primary of service '{Service}'."
            : IsPromotionUnderWay ? $"the sentinels of service '{Service}' are promoting a replica."
            : $"{EndPointCollection.ToString(primary)}, which the sentinels of service '{Service}' name, cannot be reached.";
        return new LockStoreException($"{what}: {why}{(Problem() is { } problem ? $" {problem}" : "")}", mayHaveBeenApplied: false);
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync().ConfigureAwait(false);
        foreach (SentinelWatch watch in Watches)
        {
            await watch.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void MoveNeedsLock(EndPoint primary, long epoch)
    {
        bool isFirst = _primary is null;
        Volatile.Write(ref _promotionBeganAt, 0);
        _epoch = epoch;
        _primary = primary;
        _tunnels.ForEach(tunnel => tunnel.MoveNeedsLock(isFirst));
        _named.TrySetResult();
    }

    /// <summary>
    /// Sentinels announce addresses: a host name that was given is resolved, so that no sentinel is asked, and counted, twice.
    /// </summary>
    private async Task WatchAsync(EndPoint given, bool isGiven)
    {
        EndPoint sentinel = given;
        if (given is DnsEndPoint { Host: var host, Port: var port })
        {
            try
            {
                IPAddress[] addresses = await Dns.GetHostAddressesAsync(host, _closed.Token).ConfigureAwait(false);
                sentinel = addresses.Length == 0 ? given : new IPEndPoint(addresses[0], port);
            }
            catch (System.Net.Sockets.SocketException)
            {
                // The connection to it tries again.
            }
        }

        SentinelWatch watch;
        lock (Gate)
        {
            if (_closed.IsCancellationRequested || _watches.ContainsKey(WithPort(sentinel)))
            {
                return;
            }

            watch = new SentinelWatch(this, _configuration, WithPort(given)) { IsGiven = isGiven };
            _watches.Add(WithPort(sentinel), watch);
        }

        watch.Begin();
    }

    private static EndPoint WithPort(EndPoint sentinel) => sentinel switch
    {
        DnsEndPoint { Port: 0 } name => new DnsEndPoint(name.Host, DefaultPort),
        IPEndPoint { Port: 0 } address => new IPEndPoint(address.Address, DefaultPort),
        _ => sentinel,
    };
}
