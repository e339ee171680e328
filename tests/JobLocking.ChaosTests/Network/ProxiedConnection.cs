using System.Net;
using System.Net.Sockets;

namespace JobLocking.ChaosTests.Network;

/// <summary>One client's connection and the proxy's own connection to the server, with one flow in each direction.</summary>
internal sealed class ProxiedConnection : IDisposable
{
    private readonly Socket _client;

    private readonly Socket _server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    private readonly CancellationTokenSource _closing = new();

    private readonly FlowFaults _requestFaults;

    private readonly FlowFaults _replyFaults;

    private int _flowsAtEnd;

    public ProxiedConnection(Socket client, FlowFaults requestFaults, FlowFaults replyFaults, Action cutAll)
    {
        _client = client;
        _client.NoDelay = true;
        _requestFaults = requestFaults;
        _replyFaults = replyFaults;
        CutAll = cutAll;
        Requests = new Flow(_client, _server, requestFaults);
        Replies = new Flow(_server, _client, replyFaults);
    }

    public Flow Requests { get; }

    public Flow Replies { get; }

    public Action CutAll { get; }

    /// <summary>One side was reset by <see cref="CutServerSide"/> or <see cref="CutClientSide"/>, and the other does not know.</summary>
    public bool IsHalfOpen { get; private set; }

    /// <summary>Runs until the connection is closed, by either side or by a fault.</summary>
    public async Task RunAsync(IPEndPoint target)
    {
        try
        {
            CancellationToken closing = _closing.Token;
            await _server.ConnectAsync(target, closing);
            await Task.WhenAll(
                Requests.ReadAsync(closing),
                Replies.ReadAsync(closing),
                Requests.WriteAsync(Replies, this, closing),
                Replies.WriteAsync(Requests, this, closing));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // A server that cannot be reached, or a connection that was closed.
        }
    }

    /// <summary>Resets both sides.</summary>
    public void Reset()
    {
        Abort(_client);
        Abort(_server);
        _closing.Cancel();
    }

    public void CutServerSide() => CutSide(_server);

    public void CutClientSide() => CutSide(_client);

    /// <summary>Closes a connection when both of its sides have ended.</summary>
    public void FlowEnds()
    {
        if (Interlocked.Increment(ref _flowsAtEnd) < 2)
        {
            return;
        }

        // If both sides were notified, what the kernel still sends may arrive.
        if (!Requests.IsBroken && !Replies.IsBroken)
        {
            _client.Close();
            _server.Close();
        }

        Reset();
    }

    public void Dispose() => Reset();

    private void CutSide(Socket side)
    {
        IsHalfOpen = true;
        _requestFaults.Break(Requests);
        _replyFaults.Break(Replies);
        Abort(side);
    }

    // A close without a linger time is a reset.
    private static void Abort(Socket socket) => socket.Close(0);
}
