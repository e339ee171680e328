using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Connections;
using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Security;

public sealed class TlsTests(TlsServer server) : IClassFixture<TlsServer>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string ConnectionString => $"{server.Endpoint},ssl=true,password={TlsServer.Password},connectTimeout=2000,asyncTimeout=2000,syncTimeout=2000";

    [Fact]
    public async Task A_certificate_that_the_options_trust_is_accepted()
    {
        ConfigurationOptions options = ConfigurationOptions.Parse(ConnectionString);
        options.TrustIssuer(server.Authority);

        using IHost host = UseRedisTests.Host(locks => locks.UseRedis(redis => redis.ConfigurationOptions = options));
        await host.StartAsync(Cancellation);

        await using TaskLease? lease = await LockedAsync(host);
        Assert.NotNull(lease);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_certificate_that_is_not_trusted_is_refused_with_the_reason(bool asOptions)
    {
        using IHost host = UseRedisTests.Host(locks => locks.UseRedis(redis =>
        {
            if (asOptions)
            {
                redis.ConfigurationOptions = ConfigurationOptions.Parse(ConnectionString);
            }
            else
            {
                redis.Configuration = ConnectionString;
            }
        }));
        await host.StartAsync(Cancellation);

        TaskLockUnavailableException error = await Assert.ThrowsAsync<TaskLockUnavailableException>(() => LockedAsync(host));
        Assert.Contains("certificate", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("localhost")]
    public async Task Through_sentinels_the_certificate_is_checked_against_the_host_that_they_name_or_sslHost(string? sslHost)
    {
        await using RedisServer sentinel = await server.StartSentinelAsync();
        ConfigurationOptions options = ConfigurationOptions.Parse($"127.0.0.1:{server.SentinelPort},serviceName=locks,ssl=true,connectTimeout=2000");
        (options.Password, options.SentinelPassword, options.SslHost) = (TlsServer.Password, "", sslHost);
        options.TrustIssuer(server.Authority);
        await using RedisLockStore store = new(new RedisLockOptions { ConfigurationOptions = options }, TimeProvider.System);

        Assert.Equal(AcquireOutcome.Granted, (await store.AcquireAsync(LockRequests.Acquire($"tls:{sslHost}"), Cancellation)).Outcome);
    }

    [Fact]
    public async Task A_server_that_wants_TLS_is_not_reached_without_it()
    {
        using IHost host = UseRedisTests.Host(locks => locks.UseRedis(ConnectionString.Replace("ssl=true", "ssl=false", StringComparison.Ordinal)));
        await host.StartAsync(Cancellation);

        TaskLockUnavailableException error = await Assert.ThrowsAsync<TaskLockUnavailableException>(() => LockedAsync(host));

        // The first attempt to connect may have failed before the lock is requested: then the engine does not wait for another.
        Assert.Matches("Redis cannot be reached|There is no connection", error.Message);
    }

    private static Task<TaskLease?> LockedAsync(IHost host) =>
        host.Services.GetRequiredService<ITaskLocks>().TryAcquireAsync($"tls:{Guid.NewGuid():N}", cancellationToken: Cancellation).AsTask();
}
