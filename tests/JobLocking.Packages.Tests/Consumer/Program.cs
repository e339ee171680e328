using System.Globalization;
using Hangfire;
using Hangfire.Redis.StackExchange;
using JobLocking;
using JobLocking.Docs.Snippets;
using JobLocking.Redis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Quartz;

// A worker with the code of the readmes. A job runs each second; each line of the input is a customer to whom an invoice is sent.
string redis = args[0];
HostApplicationBuilder builder = Host.CreateApplicationBuilder();
builder.Logging.ClearProviders();
Packages.Quartz(builder);
Packages.OpenTelemetry(builder);
builder.Services.Configure<RedisLockOptions>(options => options.Configuration = redis);
builder.Services.AddSingleton<IReports, Reports>().AddSingleton<IMailer, Mailer>();
builder.Services.AddQuartz(quartz => quartz.AddJobListener(new Listener()).ScheduleJob<EverySecond>(
    trigger => trigger.WithIdentity("every-second").WithCronSchedule("* * * * * ?"),
    job => job.WithIdentity("every-second")));
builder.Services.AddHangfire((sp, hangfire) => hangfire.UseRedisStorage(redis).UseTaskLocks(sp));
builder.Services.AddHangfireServer(server => server.SchedulePollingInterval = TimeSpan.FromSeconds(1));
builder.Services.AddHangfireTaskLocks();

using IHost host = builder.Build();
await host.StartAsync();
Said.Line("ready");
while (Console.In.ReadLine() is { } customer)
{
    int id = int.Parse(customer, CultureInfo.InvariantCulture);
    host.Services.GetRequiredService<IBackgroundJobClient>().Enqueue<Mailing>(mailing => mailing.Send(id, CancellationToken.None));
}

await host.StopAsync();

internal static class Said
{
    public static void Line(string fact)
    {
        Console.Out.WriteLine(fact);
        Console.Out.Flush();
    }
}

[TaskLock("every-second")]
internal sealed class EverySecond : IJob
{
    public ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        Said.Line(string.Create(CultureInfo.InvariantCulture, $"ran {context.GetOriginalFireTimeUtc():O}"));
        return default;
    }
}

internal sealed class Listener : IJobListener
{
    public string Name => "fired";

    public ValueTask JobToBeExecuted(IJobExecutionContext context, CancellationToken cancellationToken = default)
    {
        if (context.Trigger.Key.Name == "every-second")
        {
            Said.Line(string.Create(CultureInfo.InvariantCulture, $"fired {context.ScheduledFireTimeUtc:O}"));
        }

        return default;
    }
}

internal sealed class Reports : IReports
{
    public Task<Report> ComputeAsync(CancellationToken cancellationToken) => Task.FromResult(new Report());

    public Task PublishAsync(Report report, long fencingToken) => Task.CompletedTask;
}

internal sealed class Mailer : IMailer
{
    public Task SendInvoiceAsync(int customerId, CancellationToken cancellationToken)
    {
        Said.Line($"mailed {customerId}");
        return Task.CompletedTask;
    }
}
