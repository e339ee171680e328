using System.Net;
using System.Net.Sockets;
using Garnet;
using Microsoft.Extensions.Logging.Abstractions;

namespace WorkerHost;

/// <summary>A Redis-compatible server inside this process, so that the sample runs on a bare machine.</summary>
internal static class EmbeddedRedis
{
    /// <summary>Starts the server on a free loopback port. It accepts requests when this method returns.</summary>
    public static GarnetServer Start(out string connectionString)
    {
        int port = FreePort();
        connectionString = $"127.0.0.1:{port}";

        // Garnet runs scripts in isolation only in this mode.
        string[] arguments = ["--bind", "127.0.0.1", "--port", $"{port}", "--lua", "--lua-transaction-mode", "-q"];
        GarnetServer server = new(arguments, NullLoggerFactory.Instance);
        server.Start();
        return server;
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
