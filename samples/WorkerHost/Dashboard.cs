using System.Net;
using System.Net.Sockets;
using Hangfire;
using Microsoft.AspNetCore.DataProtection;

namespace WorkerHost;

/// <summary>The web page: Hangfire's dashboard on loopback.</summary>
internal static class Dashboard
{
    /// <summary>Serves it on a port, or on a free one if that is taken.</summary>
    public static async Task<WebApplication> StartAsync(JobStorage storage, int port)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.WebHost.UseUrls($"http://127.0.0.1:{(IsFree(port) ? port : 0)}");
        builder.Services.AddHangfire(hangfire => hangfire.UseStorage(storage));

        // Without it the dashboard would take any POST.
        builder.Services.AddAntiforgery();
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();

        WebApplication web = builder.Build();
        web.MapGet("/", () => Results.Redirect("/hangfire"));
        web.MapHangfireDashboard("/hangfire");
        await web.StartAsync();
        return web;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using TcpListener listener = new(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            Console.WriteLine($"Port {port} is taken.");
            return false;
        }
    }
}
