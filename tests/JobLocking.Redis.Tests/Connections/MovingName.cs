using System.Net;
using System.Net.Sockets;
using JobLocking.TestKit;

namespace JobLocking.Redis.Tests.Connections;

/// <summary>A host name that leads new connections to another server after it was moved, and leaves old ones alone, as with DNS.</summary>
internal sealed class MovingName : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    private readonly List<TcpClient> _open = [];

    private readonly Task _accepting;

    public MovingName(RedisServer server)
    {
        LeadsTo = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public RedisServer LeadsTo { get; set; }

    /// <summary>How many connections were made.</summary>
    public int Connections { get; private set; }

    public string Endpoint => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _accepting;
        lock (_open)
        {
            _open.ForEach(client => client.Dispose());
        }
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                TcpClient client = await _listener.AcceptTcpClientAsync();
                TcpClient server = new();
                Connections++;
                lock (_open)
                {
                    _open.AddRange([client, server]);
                }

                await server.ConnectAsync(IPAddress.Loopback, LeadsTo.Port);
                _ = PassAsync(client, server);
                _ = PassAsync(server, client);
            }
            catch (SocketException) when (!_listener.Server.IsBound)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // The server is down; the next connection may succeed.
            }
        }
    }

    private static async Task PassAsync(TcpClient from, TcpClient to)
    {
        try
        {
            await from.GetStream().CopyToAsync(to.GetStream());
        }
        catch (Exception error) when (error is IOException or SocketException or InvalidOperationException)
        {
        }
        finally
        {
            from.Dispose();
            to.Dispose();
        }
    }
}
