using Hangfire;
using Microsoft.AspNetCore.DataProtection;

namespace WorkerHost;

/// <summary>Serves Hangfire's dashboard on the loopback interface.</summary>
internal static class Dashboard
{
    /// <summary>Serves the dashboard on the port, or on a free port if that one is taken.</summary>
    public static async Task<WebApplication> StartAsync(JobStorage storage, int port)
    {
        try
        {
            return await ServeAsync(storage, port);
        }
        catch (IOException) when (port != 0)
        {
            // Do not check the port in advance: a process that starts at the same moment would find it free too.
            Console.WriteLine($"Port {port} is taken.");
            return await ServeAsync(storage, port: 0);
        }
    }

    private static async Task<WebApplication> ServeAsync(JobStorage storage, int port)
    {
        WebApplicationBuilder builder = WebApplication.CreateBuilder();

        // StartAsync reports a port that is taken, so the host need not log it.
        builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        builder.Services.AddHangfire(hangfire => hangfire.UseStorage(storage));

        // Without antiforgery, the dashboard would accept any POST.
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
