using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using StackExchange.Redis;
using StackExchange.Redis.Configuration;

namespace JobLocking.Redis.Connections;

/// <summary>
/// Leads every socket of one connection to the primary that the sentinels name, and closes them when they name another. The client library
/// sees one server with one name, so it has no roles to compare, and its subscriptions and events go on.
/// </summary>
internal sealed class PrimaryTunnel(SentinelMonitor monitor) : Tunnel
{
    private const int DefaultPort = 6379; // a part of the one name that errors show

    private readonly List<Socket> _open = [];

    // Those of the primary: a socket to another address was on its way when the sentinels changed their mind.
    private readonly HashSet<IPEndPoint> _addresses = [];

    private volatile TaskCompletionSource? _pause = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool _hasMoved;

    private long _movedAt;

    /// <summary>
    /// Nothing may be sent until this completes: while a replica is promoted, and from then on until the first socket to it. A request
    /// that is sent earlier would go to the closed socket, and it would not be known whether it was applied. Null outside a pause.
    /// </summary>
    public Task? Pause => _pause?.Task;

    /// <summary>A new primary lacks its replicas for a moment.</summary>
    public bool HasJustMoved =>
        Volatile.Read(ref _movedAt) is not 0 and var at && TimeProvider.System.GetElapsedTime(at) < ConnectionTimes.WithoutReplicas;

    /// <summary>Changes connection options that name a service, so that the connection goes through this tunnel.</summary>
    public void ApplyTo(ConfigurationOptions options)
    {
        options.EndPoints.Clear();
        // Without servers, from which the client library would derive a name, it is the one that the application has set.
        bool namesHost = options.SslHost is not null;
        options.EndPoints.Add(new DnsEndPoint(monitor.Service, DefaultPort));
        options.ServiceName = options.TieBreaker = options.ConfigurationChannel = "";
        options.ResolveDns = false;
        options.Tunnel = this;
        if (!namesHost)
        {
            Func<string, SslClientAuthenticationOptions>? theirs = options.SslClientAuthenticationOptions;
            SslProtocols protocols = options.SslProtocols ?? SslProtocols.None;
            X509RevocationMode revocation = options.CheckCertificateRevocation ? X509RevocationMode.Online : X509RevocationMode.NoCheck;
            options.SslClientAuthenticationOptions = name => theirs?.Invoke(Host(name)) ?? new SslClientAuthenticationOptions
            {
                TargetHost = Host(name),
                EnabledSslProtocols = protocols,
                CertificateRevocationCheckMode = revocation,
            };
        }
    }

    public override async ValueTask<EndPoint?> GetSocketConnectEndpointAsync(EndPoint endpoint, CancellationToken cancellationToken)
    {
        EndPoint primary = monitor.Primary ?? throw new IOException($"No sentinel has named the primary of '{monitor.Service}'.");
        IPEndPoint[] addresses = primary is DnsEndPoint { Host: var host, Port: var port }
            ? [.. (await Dns.GetHostAddressesAsync(host, cancellationToken).ConfigureAwait(false)).Select(one => new IPEndPoint(one, port))]
            : [(IPEndPoint)primary];
        lock (monitor.Gate)
        {
            ThrowIfMoved(primary.Equals(monitor.Primary));
            _addresses.UnionWith(addresses);
        }

        // A host may have an address of each family, and answer on one of them.
        return addresses[Random.Shared.Next(addresses.Length)];
    }

    public override ValueTask<Stream?> BeforeAuthenticateAsync(
        EndPoint endpoint, ConnectionType connectionType, Socket? socket, CancellationToken cancellationToken)
    {
        lock (monitor.Gate)
        {
            ThrowIfMoved(socket!.RemoteEndPoint is IPEndPoint address && _addresses.Contains(address));
            _open.RemoveAll(one => !one.Connected);
            _open.Add(socket);

            // The library knows by now that the old connection is gone: what is sent waits for this one. While a promotion is under way,
            // this is the old primary, back.
            if (connectionType == ConnectionType.Interactive && !monitor.IsPromotionUnderWay)
            {
                ResumeNeedsLock();
            }
        }

        return default;
    }

    public void PauseNeedsLock() => _pause ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void ResumeNeedsLock()
    {
        if (_hasMoved)
        {
            _hasMoved = false;
            Volatile.Write(ref _movedAt, TimeProvider.System.GetTimestamp());
        }

        _pause?.SetResult();
        _pause = null;
    }

    public void MoveNeedsLock(bool isFirst)
    {
        PauseNeedsLock();
        _hasMoved = !isFirst;
        _addresses.Clear();
        _open.ForEach(socket => socket.Dispose());
        _open.Clear();
    }

    /// <summary>Nothing that a connection string can name.</summary>
    public override string ToString() => "";

    private void ThrowIfMoved(bool isPrimary)
    {
        if (!isPrimary)
        {
            throw new IOException($"The sentinels of '{monitor.Service}' name another primary now.");
        }
    }

    private string Host(string name) => monitor.Primary switch
    {
        DnsEndPoint primary => primary.Host,
        IPEndPoint primary => primary.Address.ToString(),
        _ => name,
    };
}
