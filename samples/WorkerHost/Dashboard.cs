using Hangfire;
using Microsoft.AspNetCore.DataProtection;

namespace WorkerHost;

/// <summary>The web page: Hangfire's dashboard on loopback.</summary>
internal static class Dashboard
{
    /// <summary>Serves it on a port, or on a free one if that is taken.</summary>
    public static async Task<WebApplication> StartAsync(JobStorage storage, int port)
    {
        try
        {
            return await ServeAsync(storage, port);
        }
        catch (IOException) when (port != 0)
        {
            // Not asked before: another process that starts in the same moment would be told the same.
            Console.WriteLine($"Port {port} is taken.");
            return await ServeAsync(storage, port: 0);
        }
    }

    private static async Task<WebApplication> ServeAsync(JobStorage storage, int port)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();

        // What the host itself would log of a port that is taken is said above.
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        builder.Services.AddHangfire(hangfire => hangfire.UseStorage(storage));

        // Without it the dashboard would take any POST.
        builder.Services.AddAntiforgery();
        builder.Services.AddDataProtection().UseEphemeralDataProtectionProvider();

        WebApplication web = builder.Build();
        web.MapGet("/", () => Results.Redirect("/hangfire"));
        web.MapHangfireDashboard("/hangfire");
        try
        {
            await web.StartAsync();
            return web;
        }
        catch
        {
            await web.DisposeAsync();
            throw;
        }
    }
}
