using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace JobLocking.TestKit;

/// <summary>
/// One address in front of several servers, like a sharding proxy: a script goes to the server of its first key, everything else to the
/// first server. It speaks RESP2, and answers one command after another.
/// </summary>
public sealed class ShardingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int[] _servers;
    private readonly CancellationTokenSource _end = new();

    private ShardingProxy(int[] servers) => _servers = servers;

    public string ConnectionString => $"{_listener.LocalEndpoint},protocol=resp2";

    public static ShardingProxy Start(params RedisServer[] servers)
    {
        ArgumentNullException.ThrowIfNull(servers);
        ShardingProxy proxy = new([.. servers.Select(server => server.Port)]);
        proxy._listener.Start();
        _ = proxy.AcceptAsync();
        return proxy;
    }

    /// <summary>Which server has the keys of a name.</summary>
    public int ServerOf(string key) => Math.Abs(key.Aggregate(17, (hash, letter) => (hash * 31) + letter)) % _servers.Length;

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptTcpClientAsync(_end.Token));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The end of the stream.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        List<TcpClient> servers = [];
        try
        {
            using TcpClient accepted = client;
            foreach (int port in _servers)
            {
                TcpClient server = new() { NoDelay = true };
                servers.Add(server);
                await server.ConnectAsync(IPAddress.Loopback, port, _end.Token);
            }

            client.NoDelay = true;

            // Buffered for reading only. Messages of a subscription are not passed on: no test needs them.
            BufferedStream before = new(client.GetStream());
            BufferedStream[] behind = [.. servers.Select(server => new BufferedStream(server.GetStream()))];
            while (true)
            {
                (byte[] command, List<string> words) = await CommandAsync(before);
                int server = words is [['E' or 'e', ..], _, not "0", var key, ..] && words[0].StartsWith("EVAL", StringComparison.OrdinalIgnoreCase) ? ServerOf(key) : 0;
                await servers[server].GetStream().WriteAsync(command, _end.Token);
                MemoryStream reply = new();
                await CopyReplyAsync(behind[server], reply);
                await client.GetStream().WriteAsync(reply.ToArray(), _end.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // One of the sides has gone.
        }
        finally
        {
            servers.ForEach(server => server.Dispose());
        }
    }

    private async Task<(byte[] Bytes, List<string> Words)> CommandAsync(Stream from)
    {
        MemoryStream bytes = new();
        int count = Number(await LineAsync(from, bytes));
        List<string> words = [];
        for (int i = 0; i < count; i++)
        {
            int length = Number(await LineAsync(from, bytes));
            words.Add(Encoding.UTF8.GetString(await ExactlyAsync(from, length + 2, bytes), 0, length));
        }

        return (bytes.ToArray(), words);
    }

    private async Task CopyReplyAsync(Stream from, MemoryStream to)
    {
        string line = await LineAsync(from, to);
        if (line[0] == '$' && Number(line) >= 0)
        {
            await ExactlyAsync(from, Number(line) + 2, to);
        }
        else if (line[0] == '*')
        {
            for (int i = 0; i < Number(line); i++)
            {
                await CopyReplyAsync(from, to);
            }
        }
    }

    private static int Number(string line) => int.Parse(line.AsSpan(1), CultureInfo.InvariantCulture);

    private async Task<string> LineAsync(Stream from, MemoryStream copy)
    {
        StringBuilder line = new();
        while (line is not { Length: > 1 } || line[^1] != '\n')
        {
            line.Append((char)(await ExactlyAsync(from, 1, copy))[0]);
        }

        return line.ToString().TrimEnd();
    }

    private async Task<byte[]> ExactlyAsync(Stream from, int count, MemoryStream copy)
    {
        byte[] bytes = new byte[count];
        await from.ReadExactlyAsync(bytes, _end.Token);
        copy.Write(bytes);
        return bytes;
    }
}
