using System.Net;
using System.Net.Sockets;

namespace JobLocking.ChaosTests.Network;

/// <summary>
/// A TCP proxy on the loopback between clients and one server, whose network can be made faulty and mended while traffic
/// flows. A request is whatever a client sends, a reply whatever the server sends, unasked pushes included.
/// </summary>
/// <remarks>
/// A fault is in force when the call that asks for it returns: what is sent afterwards meets it, on open connections and
/// on new ones. The news that a side has closed or reset its connection travels in line with its bytes and meets the same
/// faults. A stream that lost bytes is never continued, for its reader would take the next reply for the missing one: the
/// connection stays silent and is reset to both sides when the dropping ends. A connection that lost nothing lives on.
/// A server that cannot be reached looks like a connection that is accepted and reset.
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

    /// <summary>Where clients connect to.</summary>
    public int Port { get; }

    /// <summary><c>127.0.0.1:port</c>, for a connection string.</summary>
    public string Endpoint => $"127.0.0.1:{Port}";

    /// <summary>Connections that are open on at least one side.</summary>
    public int OpenConnections => Open().Count;

    /// <summary>Bytes of replies that have reached the proxy and not yet their client: proof that the server has answered.</summary>
    public long HeldBytes => Open().Sum(connection => connection.Replies.WaitingBytes);

    /// <summary>
    /// Bytes of both directions that were swallowed since the start: proof that a fault has met something. The end of a
    /// stream counts as one, as it does in TCP.
    /// </summary>
    public long Swallowed => _requests.Swallowed + _replies.Swallowed;

    /// <summary>
    /// A black hole on the way to the server. The client: every send succeeds and nothing is ever answered. The server: a
    /// client that says nothing, and is not seen to go. Ends by <see langword="false"/>, which resets connections that lost something.
    /// </summary>
    public bool DropRequests
    {
        get => _requests.Drops;
        set => SetDrops(_requests, connection => connection.Requests, value);
    }

    /// <summary>
    /// A black hole on the way back. The server: everything is as ever, and requests are carried out. The client: no reply,
    /// and a server that closes is not seen to go. Ends by <see langword="false"/>, which resets connections that lost something.
    /// </summary>
    public bool DropReplies
    {
        get => _replies.Drops;
        set => SetDrops(_replies, connection => connection.Replies, value);
    }

    /// <summary>Requests arrive this much later, in order. A change counts for those under way too; zero lets them go at once.</summary>
    public TimeSpan RequestDelay
    {
        get => _requests.Delay;
        set => _requests.Delay = value;
    }

    /// <summary>Replies arrive this much later, in order. A change counts for those under way too; zero lets them go at once.</summary>
    public TimeSpan ReplyDelay
    {
        get => _replies.Delay;
        set => _replies.Delay = value;
    }

    /// <summary>New connections are accepted and reset at once, and the server never hears of them. Open ones go on.</summary>
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
    /// Keeps back every reply from now on. The server: everything is as ever, and requests are carried out. The client: no
    /// reply yet. Ends by <see cref="ReleaseReplies"/> or <see cref="DropHeld"/>; a reset or a black hole loses what is held.
    /// </summary>
    public void HoldReplies() => _replies.Holds = true;

    /// <summary>Lets the replies that were held go, in order, and holds no more.</summary>
    public void ReleaseReplies() => _replies.Holds = false;

    /// <summary>
    /// Loses the replies that are held, resets the connections they belong to, and holds no more. The client: a reset
    /// instead of a reply to a request that was carried out. Connections without a reply held go on.
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
    /// <returns>Ends when the cut was made, cancelled when <see cref="Mend"/> or the proxy's end came before.</returns>
    public Task CutInReply() => _replies.Cut();

    /// <summary>
    /// Resets every connection to both sides. What was under way is lost; new connections work, and one that is just being
    /// made may count as new.
    /// </summary>
    public void CutAll() => ForEach(connection => connection.Reset());

    /// <summary>
    /// Half-open: resets the server's side of every connection and never tells the client, whose sends succeed and are never
    /// answered. New connections work. Ends, with a reset of the client, by <see cref="Mend"/> or <see cref="CutAll"/>.
    /// </summary>
    public void CutServerSide() => ForEach(connection => connection.CutServerSide());

    /// <summary>
    /// Half-open: resets the client's side of every connection and never tells the server, for which the client is still
    /// there, subscriptions included. New connections work. Ends, with a reset of the server's side, by <see cref="Mend"/> or <see cref="CutAll"/>.
    /// </summary>
    public void CutClientSide() => ForEach(connection => connection.CutClientSide());

    /// <summary>
    /// Ends every fault. Replies that were held and what was delayed arrive now; connections that lost something and half-open
    /// ones are reset.
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

    /// <summary>Resets every connection, listens no more, and returns when nothing of the proxy runs.</summary>
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

    // A connection that fails for a reason nobody foresaw stays, so that the end of the proxy throws it.
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
