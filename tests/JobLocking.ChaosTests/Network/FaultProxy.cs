using System.Net;
using System.Net.Sockets;

namespace JobLocking.ChaosTests.Network;

/// <summary>
/// A TCP proxy on the loopback between clients and one server, whose network can be broken and restored while traffic flows. A request is
/// anything that a client sends; a reply is anything that the server sends, including pushes.
/// </summary>
/// <remarks>
/// A fault is in force when the call that makes it returns: it applies to everything sent afterwards, on open connections and on new ones.
/// A close or reset by one side travels in order with its bytes and is subject to the same faults. A stream that lost bytes is never
/// continued, because its reader would take the next reply for the missing one: the connection stays silent and is reset to both sides when
/// the dropping ends. A connection that lost nothing continues. A server that cannot be reached looks like a connection that is accepted
/// and reset.
/// </remarks>
internal sealed class FaultProxy : IAsyncDisposable
{
    private readonly Lock _lock = new();

    private readonly Dictionary<ProxiedConnection, Task> _connections = [];

    private readonly FlowFaults _requests = new();

    private readonly FlowFaults _replies = new();

    private readonly CancellationTokenSource _closing = new();

    private volatile IPEndPoint _target;

    private readonly Socket _listener;

    private readonly Task _accepting;

    private volatile bool _refuses;

    private FaultProxy(int targetPort)
    {
        _target = new IPEndPoint(IPAddress.Loopback, targetPort);
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = AcceptAsync();
    }

    /// <summary>The address to which clients connect.</summary>
    public int Port { get; }

    /// <summary><c>127.0.0.1:port</c>, for a connection string.</summary>
    public string Endpoint => $"127.0.0.1:{Port}";

    /// <summary>Connections that are open on at least one side.</summary>
    public int OpenConnections => Open().Count;

    /// <summary>Bytes of replies that have reached the proxy but not yet their client: proof that the server has answered.</summary>
    public long HeldBytes => Open().Sum(connection => connection.Replies.WaitingBytes);

    /// <summary>
    /// Bytes of both directions that were swallowed since the start: proof that a fault has affected something. The end of a stream counts
    /// as one, as it does in TCP.
    /// </summary>
    public long Swallowed => _requests.Swallowed + _replies.Swallowed;

    /// <summary>
    /// A black hole on the way to the server. The client: every send succeeds and nothing is ever answered. The server: a client that sends
    /// nothing, and whose disconnect goes unnoticed. Ends by <see langword="false"/>, which resets connections that lost something.
    /// </summary>
    public bool DropRequests
    {
        get => _requests.Drops;
        set => SetDrops(_requests, connection => connection.Requests, value);
    }

    /// <summary>
    /// A black hole on the way back. The server: no change, and requests are carried out. The client: no reply, and a disconnect of the
    /// server goes unnoticed. Ends by <see langword="false"/>, which resets connections that lost something.
    /// </summary>
    public bool DropReplies
    {
        get => _replies.Drops;
        set => SetDrops(_replies, connection => connection.Replies, value);
    }

    /// <summary>Requests arrive this much later, in order. A change also applies to those in flight; zero lets them go at once.</summary>
    public TimeSpan RequestDelay
    {
        get => _requests.Delay;
        set => _requests.Delay = value;
    }

    /// <summary>Replies arrive this much later, in order. A change also applies to those in flight; zero lets them go at once.</summary>
    public TimeSpan ReplyDelay
    {
        get => _replies.Delay;
        set => _replies.Delay = value;
    }

    /// <summary>New connections are accepted and reset at once, and the server never sees them. Open ones continue.</summary>
    public bool Refuse
    {
        get => _refuses;
        set => _refuses = value;
    }

    /// <summary>New connections lead to another server on the loopback from now on. Open ones stay where they are.</summary>
    public void Retarget(int targetPort) => _target = new IPEndPoint(IPAddress.Loopback, targetPort);

    /// <summary>Starts a proxy to a server on the loopback, without faults.</summary>
    public static FaultProxy Start(int targetPort) => new(targetPort);

    /// <summary>
    /// Holds back every reply from now on. The server: no change, and requests are carried out. The client: no reply yet. Ends by
    /// <see cref="ReleaseReplies"/> or <see cref="DropHeld"/>; a reset or a black hole loses what is held.
    /// </summary>
    public void HoldReplies() => _replies.Holds = true;

    /// <summary>Lets the held replies go, in order, and holds no more.</summary>
    public void ReleaseReplies() => _replies.Holds = false;

    /// <summary>
    /// Drops the held replies, resets the connections they belong to, and holds no more. The client: a reset instead of a reply to a
    /// request that was carried out. Connections without a held reply continue.
    /// </summary>
    public void DropHeld()
    {
        foreach (ProxiedConnection connection in Open())
        {
            if (connection.Replies.WaitingBytes > 0)
            {
                connection.Reset();
            }
        }

        ReleaseReplies();
    }

    /// <summary>
    /// Passes a part of the next reply that would pass, never the whole of it, and then does <see cref="CutAll"/>. The
    /// client: half a reply and a reset. The server: a reset after a request that was carried out.
    /// </summary>
    /// <returns>Completes when the cut was made; cancelled if <see cref="Mend"/> or the end of the proxy came first.</returns>
    public Task CutInReply() => _replies.Cut();

    /// <summary>
    /// Resets every connection to both sides. Bytes in flight are lost; new connections work, and one that is just being made may count as
    /// new.
    /// </summary>
    public void CutAll() => ForEach(connection => connection.Reset());

    /// <summary>
    /// Half-open: resets the server's side of every connection and never notifies the client, whose sends succeed and are never answered.
    /// New connections work. Ends, with a reset of the client, by <see cref="Mend"/> or <see cref="CutAll"/>.
    /// </summary>
    public void CutServerSide() => ForEach(connection => connection.CutServerSide());

    /// <summary>
    /// Half-open: resets the client's side of every connection and never notifies the server, for which the client is still connected, with
    /// its subscriptions. New connections work. Ends, with a reset of the server's side, by <see cref="Mend"/> or <see cref="CutAll"/>.
    /// </summary>
    public void CutClientSide() => ForEach(connection => connection.CutClientSide());

    /// <summary>
    /// Ends every fault. Held replies and delayed bytes arrive now; connections that lost something and half-open ones are reset.
    /// </summary>
    public void Mend()
    {
        _refuses = false;
        _requests.Mend();
        _replies.Mend();
        ForEach(connection =>
        {
            if (connection.IsHalfOpen || connection.Requests.IsBroken || connection.Replies.IsBroken)
            {
                connection.Reset();
            }
        });
    }

    /// <summary>Resets every connection, stops listening, and returns when nothing of the proxy runs any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Dispose();
        await _accepting;
        Task[] connections;
        lock (_lock)
        {
            connections = [.. _connections.Values];
        }

        CutAll();
        await Task.WhenAll(connections);
        _replies.Mend();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket client = await _listener.AcceptAsync(_closing.Token);
                if (_refuses)
                {
                    client.Close(0);
                    continue;
                }

                ProxiedConnection connection = new(client, _requests, _replies, CutAll);
                lock (_lock)
                {
                    _connections.Add(connection, ServeAsync(connection));
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The proxy has ended.
        }
    }

    // The task of a connection that fails unexpectedly stays in the list, so that the disposal of the proxy throws its exception.
    private async Task ServeAsync(ProxiedConnection connection)
    {
        await Task.Yield();
        using (connection)
        {
            await connection.RunAsync(_target);
        }

        lock (_lock)
        {
            _connections.Remove(connection);
        }
    }

    private void SetDrops(FlowFaults faults, Func<ProxiedConnection, Flow> flow, bool drops)
    {
        faults.Drops = drops;
        if (drops)
        {
            return;
        }

        ForEach(connection =>
        {
            if (flow(connection).IsBroken && !connection.IsHalfOpen)
            {
                connection.Reset();
            }
        });
    }

    private void ForEach(Action<ProxiedConnection> act)
    {
        foreach (ProxiedConnection connection in Open())
        {
            act(connection);
        }
    }

    private List<ProxiedConnection> Open()
    {
        lock (_lock)
        {
            return [.. _connections.Keys];
        }
    }
}
