using System.Diagnostics;
using System.Net.Sockets;
using System.Threading.Channels;

namespace JobLocking.ChaosTests.Network;

/// <summary>
/// One direction of one connection. Reading and writing are loops of their own, so that a delay is a latency and not a throttle, and a
/// fault never blocks the sender. The end of the source travels in order with its bytes and is subject to the same faults.
/// </summary>
internal sealed class Flow(Socket source, Socket destination, FlowFaults faults)
{
    private const byte LineFeed = (byte)'\n';

    private readonly Channel<Arrival> _arrivals = Channel.CreateUnbounded<Arrival>();

    private long _waiting;

    private bool _isAtEnd;

    private enum News
    {
        Bytes,
        Closed,
        Reset,
    }

    /// <summary>The stream has a gap or no other end: nothing of it passes any more. Written under the lock of the faults.</summary>
    public bool IsBroken { get; set; }

    /// <summary>Bytes that have arrived and were neither passed on nor swallowed.</summary>
    public long WaitingBytes => Interlocked.Read(ref _waiting);

    /// <summary>Reads what the source sends, until its end.</summary>
    public async Task ReadAsync(CancellationToken closing)
    {
        byte[] buffer = new byte[16 * 1024];
        while (true)
        {
            int length;
            try
            {
                length = await source.ReceiveAsync(buffer, closing);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                Arrives(News.Reset);
                return;
            }

            if (length == 0)
            {
                Arrives(News.Closed);
                return;
            }

            Interlocked.Add(ref _waiting, length);
            Arrives(News.Bytes, buffer.AsSpan(0, length).ToArray());
        }
    }

    /// <summary>Passes on what has arrived, in order and as the faults allow.</summary>
    /// <param name="back">The other direction of the same connection.</param>
    /// <param name="connection">Closed when this flow finds that it is at its end.</param>
    public async Task WriteAsync(Flow back, ProxiedConnection connection, CancellationToken closing)
    {
        await foreach (Arrival arrival in _arrivals.Reader.ReadAllAsync(closing))
        {
            bool passes = await faults.PassesAsync(this, arrival.At, arrival.Bytes.Length, closing);
            if (arrival.News == News.Bytes)
            {
                if (passes)
                {
                    await PassAsync(arrival.Bytes, back, connection, closing);
                }

                Interlocked.Add(ref _waiting, -arrival.Bytes.Length);
                continue;
            }

            if (passes && arrival.News == News.Reset)
            {
                connection.Reset();
            }
            else if (passes)
            {
                Shutdown();
            }

            if (!_isAtEnd)
            {
                _isAtEnd = true;
                connection.FlowEnds();
            }
        }
    }

    private async Task PassAsync(ReadOnlyMemory<byte> bytes, Flow back, ProxiedConnection connection, CancellationToken closing)
    {
        TaskCompletionSource? cut = faults.TakeCut();
        try
        {
            await SendAsync(cut is null ? bytes : bytes[..WithinReply(bytes.Span)], closing);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The destination has gone. That is an event of its own, which travels the other way.
            back.Arrives(News.Reset);
        }

        if (cut is not null)
        {
            connection.CutAll();
            cut.TrySetResult();
        }
    }

    private async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken closing)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await destination.SendAsync(bytes, closing)..];
        }
    }

    private void Arrives(News news, byte[]? bytes = null) => _arrivals.Writer.TryWrite(new Arrival(news, bytes ?? [], Stopwatch.GetTimestamp()));

    private void Shutdown()
    {
        try
        {
            destination.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The destination has gone already.
        }
    }

    /// <summary>A reply ends at the end of a line, so the middle of the first line is never the end of a reply.</summary>
    private static int WithinReply(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf(LineFeed);
        return end < 0 ? (bytes.Length + 1) / 2 : (end + 1) / 2;
    }

    private readonly record struct Arrival(News News, byte[] Bytes, long At);
}
