using Garnet;
using Microsoft.Extensions.Logging.Abstractions;

namespace JobLocking.TestKit;

/// <summary>A Redis-compatible server inside the test process, on a free loopback port, with scripts that run in isolation.</summary>
public sealed class EmbeddedServer : IAsyncDisposable
{
    private const int Attempts = 5;

    private readonly GarnetServer _server;

    private EmbeddedServer(GarnetServer server, int port)
    {
        _server = server;
        Port = port;
    }

    /// <summary>The port it listens on.</summary>
    public int Port { get; }

    /// <summary><c>127.0.0.1:port</c>.</summary>
    public string Endpoint => $"127.0.0.1:{Port}";

    /// <summary>For StackExchange.Redis and <c>UseRedis</c>.</summary>
    public string ConnectionString => Endpoint;

    /// <summary>Starts a server; it answers when this returns.</summary>
    public static Task<EmbeddedServer> StartAsync() => Task.Run(() =>
    {
        for (int attempt = 1; ; attempt++)
        {
            int port = FreePort.Next();
            GarnetServer? server = null;
            try
            {
                server = new GarnetServer(
                    ["--bind", "127.0.0.1", "--port", $"{port}", "--lua", "--lua-transaction-mode", "--memory", "64m", "--index", "1m"], NullLoggerFactory.Instance);
                server.Start();
                return new EmbeddedServer(server, port);
            }
            catch (Exception) when (attempt < Attempts)
            {
                // Somebody else was faster to take the port.
                server?.Dispose();
            }
        }
    });

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => new(Task.Run(_server.Dispose));
}
