using System.Net;
using System.Net.Sockets;

namespace JobLocking.TestKit;

internal static class FreePort
{
    /// <summary>A port that was free a moment ago; the caller must be ready to ask for another.</summary>
    public static int Next()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
