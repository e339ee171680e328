using Garnet;
using Microsoft.Extensions.Logging.Abstractions;

namespace JobLocking.TestKit;

/// <summary>A Redis-compatible server, Garnet, inside the test process and on a free loopback port.</summary>
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
    /// <param name="isolatedScripts">Whether a script runs to its end before the next, as in Redis, and as Garnet does only if it is
    /// configured to.</param>
    public static Task<EmbeddedServer> StartAsync(bool isolatedScripts = true) => Task.Run(() =>
    {
        string[] isolation = isolatedScripts ? ["--lua-transaction-mode"] : [];
        for (int attempt = 1; ; attempt++)
        {
            int port = FreePort.Next();
            GarnetServer? server = null;
            try
            {
                server = new GarnetServer(
                    ["--bind", "127.0.0.1", "--port", $"{port}", "--memory", "64m", "--index", "1m", "--lua", .. isolation], NullLoggerFactory.Instance);
                server.Start();
                return new EmbeddedServer(server, port);
            }
            catch (Exception) when (attempt < Attempts)
            {
                // Another process has taken the port meanwhile.
                server?.Dispose();
            }
        }
    });

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => new(Task.Run(_server.Dispose));
}
