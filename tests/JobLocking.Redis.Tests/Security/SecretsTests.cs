using JobLocking.Redis.Tests.Contract;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Security;

/// <summary>Whatever goes wrong, and wherever the password is, it is never shown.</summary>
public sealed class SecretsTests(TlsServer tls, SharedServers servers) : IClassFixture<TlsServer>
{
    private const string Secret = "hunter2secret";

    private const string Impatient = "connectTimeout=300,asyncTimeout=300,syncTimeout=300";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Faults =>
    [
        "127.0.0.1:1,password=" + Secret,
        "127.0.0.1:1,user=worker,password=" + Secret,
        "redis://worker:" + Secret + "@127.0.0.1:1",
        "redis://:" + Secret + "@127.0.0.1:1/0",
        "worker:" + Secret + "@127.0.0.1:1",
        "127.0.0.1:1,password=half," + Secret,
        "127.0.0.1:1,password=half," + Secret + "=",
        "127.0.0.1:1,password=" + Secret + ",noSuchOption=1",
        "127.0.0.1:1,password=" + Secret + ",connectTimeout=soon",
        "password=" + Secret,
        "tls,ssl=false,password=" + Secret,
        "tls,ssl=true,password=" + Secret,
        "redis,password=" + Secret,
        "redis,user=worker,password=" + Secret,
    ];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_password_in_the_connection_string_appears_in_no_output(string connection) =>
        await AssertSilentAsync(redis => redis.Configuration = Server(connection));

    [Theory]
    [InlineData("127.0.0.1:1,ssl=false")]
    [InlineData("tls,ssl=false")]
    [InlineData("tls,ssl=true")]
    [InlineData("redis,user=worker")]
    public async Task A_password_in_the_options_appears_in_no_output(string connection) => await AssertSilentAsync(redis =>
    {
        redis.ConfigurationOptions = ConfigurationOptions.Parse(Server(connection));
        redis.ConfigurationOptions.Password = Secret;
    });

    [Theory]
    [InlineData("cannot connect with 127.0.0.1:1,password={0},ssl=true")]
    [InlineData("cannot connect to redis://worker:{0}@127.0.0.1:1")]
    [InlineData("Pwd = {0}")]
    public async Task A_password_in_the_exception_of_a_factory_appears_in_no_output(string message) => await AssertSilentAsync(redis =>
        redis.ConnectionMultiplexerFactory = () => throw new InvalidOperationException(
            "outside", new ArgumentException(message.Replace("{0}", Secret, StringComparison.Ordinal))));

    [Fact]
    public async Task A_password_in_two_connections_at_once_appears_in_no_output() => await AssertSilentAsync(redis =>
    {
        redis.Configuration = "127.0.0.1:1,password=" + Secret;
        redis.ConfigurationOptions = new ConfigurationOptions { EndPoints = { "127.0.0.1:1" }, Password = Secret };
    });

    private string Server(string connection) => connection
        .Replace("tls,", $"{tls.Endpoint},{Impatient},", StringComparison.Ordinal)
        .Replace("127.0.0.1:1,", $"127.0.0.1:1,{Impatient},", StringComparison.Ordinal)
        .Replace("redis,", $"{servers.Redis.Endpoint},{Impatient},", StringComparison.Ordinal);

    private static async Task AssertSilentAsync(Action<RedisLockOptions> configure)
    {
        using Overheard overheard = new();
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Trace).AddProvider(overheard);
        builder.Services.AddJobLocking().UseRedis(configure);
        builder.Services.AddHealthChecks().AddJobLocking();
        using (IHost host = builder.Build())
        {
            await TellAsync(overheard, async () =>
            {
                await host.StartAsync(Cancellation);
                ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();
                await Task.WhenAll(
                    TellAsync(overheard, async () => await locks.TryAcquireAsync("secrets", cancellationToken: Cancellation)),
                    TellAsync(overheard, async () => await locks.TryAcquireAsync("secrets", new TaskLockOptions { Wait = TimeSpan.FromSeconds(1) }, Cancellation)),
                    TellAsync(overheard, async () => await locks.BreakAsync("secrets", 1, Cancellation)),
                    TellAsync(overheard, async () => await locks.ListAsync(null, Cancellation).ToListAsync(Cancellation)));
                HealthReport report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Cancellation);
                foreach (HealthReportEntry entry in report.Entries.Values)
                {
                    overheard.Add($"{entry.Description} {string.Join(' ', entry.Data)} {string.Join(' ', entry.Tags)}");
                    overheard.Add(entry.Exception);
                }

                await host.StopAsync(Cancellation);
            });
        }

        Assert.NotEmpty(overheard.Said);
        Assert.DoesNotContain(overheard.Said, said => said.Contains(Secret, StringComparison.Ordinal));
    }

    private static async Task TellAsync(Overheard overheard, Func<Task> act)
    {
        try
        {
            await act();
        }
        catch (Exception error)
        {
            overheard.Add(error);
        }
    }
}
