using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.ChaosTests.Network;

/// <summary>A client and a server that talk through a proxy. A test controls both ends.</summary>
internal sealed class Conversation : IDisposable
{
    private Conversation(Socket client, Socket server)
    {
        Client = client;
        Server = server;
    }

    public Socket Client { get; }

    public Socket Server { get; }

    /// <summary>Connects through the proxy and sends one word in each direction, so that the whole path is known to be open.</summary>
    public static async Task<Conversation> BeginAsync(FaultProxy proxy, Socket listener)
    {
        Socket client = await ConnectAsync(proxy.Port);
        Conversation conversation = new(client, await Patient(listener.AcceptAsync()));
        await SayAsync(conversation.Client, "hello");
        await HearAsync(conversation.Server, "hello");
        await SayAsync(conversation.Server, "welcome");
        await HearAsync(conversation.Client, "welcome");
        return conversation;
    }

    public static async Task<Socket> ConnectAsync(int port)
    {
        Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await client.ConnectAsync(IPAddress.Loopback, port);
        return client;
    }

    public static async Task SayAsync(Socket side, string words) => Assert.Equal(words.Length, await side.SendAsync(Encoding.ASCII.GetBytes(words)));

    public static async Task HearAsync(Socket side, string expected)
    {
        byte[] heard = new byte[expected.Length];
        int length = 0;
        while (length < heard.Length)
        {
            int more = await Patient(side.ReceiveAsync(heard.AsMemory(length)).AsTask());
            Assert.True(more > 0, $"closed after '{Encoding.ASCII.GetString(heard, 0, length)}'");
            length += more;
        }

        Assert.Equal(expected, Encoding.ASCII.GetString(heard));
    }

    /// <summary>Returns what arrives before the reset, and waits for the reset.</summary>
    public static async Task<string> HearUntilResetAsync(Socket side)
    {
        ArrayBufferWriter<byte> heard = new();
        while (true)
        {
            try
            {
                int length = await Patient(side.ReceiveAsync(heard.GetMemory(1024)).AsTask());
                Assert.True(length > 0, "closed in good order, not reset");
                heard.Advance(length);
            }
            catch (SocketException error)
            {
                Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
                return Encoding.ASCII.GetString(heard.WrittenSpan);
            }
        }
    }

    public static async Task IsResetAsync(Socket side) => Assert.Equal("", await HearUntilResetAsync(side));

    /// <summary>A new connection is reset so soon that even connecting may fail.</summary>
    public static async Task IsResetAtOnceAsync(int port)
    {
        try
        {
            using Socket client = await ConnectAsync(port);
            await IsResetAsync(client);
        }
        catch (SocketException error)
        {
            Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
        }
    }

    public static async Task IsClosedAsync(Socket side) => Assert.Equal(0, await Patient(side.ReceiveAsync(new byte[1])));

    /// <summary>
    /// Neither a byte nor an end has arrived. Check this only where either would have arrived before a fact that is known.
    /// </summary>
    public static void HearsNothing(Socket side) => Assert.False(side.Poll(TimeSpan.Zero, SelectMode.SelectRead));

    public void Dispose()
    {
        Client.Dispose();
        Server.Dispose();
    }

    private static Task<T> Patient<T>(Task<T> look) => look.WaitAsync(Eventually.DefaultTimeout);
}
