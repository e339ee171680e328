using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Connections;

public sealed class UseRedisTests(SharedServers servers)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public Task A_connection_string_is_enough() => AssertLocksAsync(locks => locks.UseRedis(servers.Redis.ConnectionString));

    [Fact]
    public Task Options_of_the_client_library_are_enough() =>
        AssertLocksAsync(locks => locks.UseRedis(options => options.ConfigurationOptions = new ConfigurationOptions { EndPoints = { servers.Redis.Endpoint } }));

    [Fact]
    public async Task A_connection_that_the_application_made_is_used()
    {
        await using ConnectionMultiplexer theirs = await ConnectionMultiplexer.ConnectAsync(servers.Redis.ConnectionString);

        await AssertLocksAsync(locks => locks.UseRedis(options => options.ConnectionMultiplexerFactory = () => Task.FromResult<IConnectionMultiplexer>(theirs)));

        Assert.True(theirs.IsConnected);
    }

    [Fact]
    public async Task The_connection_among_the_services_is_enough()
    {
        await using ConnectionMultiplexer theirs = await ConnectionMultiplexer.ConnectAsync(servers.Redis.ConnectionString);

        await AssertLocksAsync(locks =>
        {
            locks.Services.AddSingleton<IConnectionMultiplexer>(theirs);
            locks.UseRedis();
        });

        Assert.True(theirs.IsConnected);
    }

    [Fact]
    public async Task The_connection_with_a_key_among_the_services_is_enough()
    {
        await using ConnectionMultiplexer theirs = await ConnectionMultiplexer.ConnectAsync(servers.Redis.ConnectionString);

        await AssertLocksAsync(locks =>
        {
            locks.Services.AddKeyedSingleton<IConnectionMultiplexer>("cache", (_, _) => throw new InvalidOperationException("not this one"));
            locks.Services.AddKeyedSingleton<IConnectionMultiplexer>("locks", theirs);
            locks.UseKeyedRedis("locks");
        });

        Assert.True(theirs.IsConnected);
    }

    [Fact]
    public Task The_options_may_come_from_the_services() => AssertLocksAsync(locks =>
    {
        locks.Services.AddSingleton(new Address(servers.Redis.ConnectionString));
        locks.UseRedis((sp, options) => options.Configuration = sp.GetRequiredService<Address>().Text);
    });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_factory_that_is_set_elsewhere_in_the_options_makes_the_connection_of_UseRedis(bool before)
    {
        await using ConnectionMultiplexer theirs = await ConnectionMultiplexer.ConnectAsync(servers.Redis.ConnectionString);

        await AssertLocksAsync(locks =>
        {
            locks.Services.AddKeyedSingleton<IConnectionMultiplexer>("locks", theirs);
            if (!before)
            {
                locks.UseRedis();
            }

            locks.Services.AddOptions<RedisLockOptions>().Configure<IServiceProvider>((options, sp) =>
                options.ConnectionMultiplexerFactory = () => Task.FromResult(sp.GetRequiredKeyedService<IConnectionMultiplexer>("locks")));
            if (before)
            {
                locks.UseRedis();
            }
        });
    }

    [Fact]
    public async Task A_connection_that_is_registered_in_another_way_is_named_with_the_call_that_uses_it()
    {
        static void Register(JobLockingBuilder locks, params object?[] keys)
        {
            foreach (object? key in keys)
            {
                locks.Services.AddKeyedSingleton<IConnectionMultiplexer>(key, (_, _) => throw new InvalidOperationException("Never asked for."));
            }
        }

        await AssertRefusedAsync(
            locks =>
            {
                Register(locks, "cache", DayOfWeek.Monday);
                locks.UseRedis();
            },
            "UseRedis() finds no IConnectionMultiplexer without a key among the services. Fix: UseKeyedRedis(\"cache\") or UseKeyedRedis(Monday), for what is registered, or pass");
        await AssertRefusedAsync(
            locks =>
            {
                Register(locks, "cache", null);
                locks.UseKeyedRedis("locks");
            },
            "UseKeyedRedis(\"locks\") finds no IConnectionMultiplexer with this key among the services. Fix: UseKeyedRedis(\"cache\") or UseRedis(), for what is registered, or pass");
    }

    [Theory]
    [InlineData(null, "UseRedis(")]
    [InlineData("", "UseRedis(")]
    [InlineData("localhost:6379,noSuchOption=1", "noSuchOption")]
    [InlineData("ssl=true", "names no server")]
    public async Task A_bad_connection_string_stops_the_host_at_start(string? configuration, string said) =>
        await AssertRefusedAsync(locks => locks.UseRedis(configuration!), "RedisLockOptions.Configuration", said);

    [Fact]
    public async Task Two_connections_stop_the_host_at_start() => await AssertRefusedAsync(
        locks => locks.UseRedis(options =>
        {
            options.Configuration = "localhost:6379,password=hunter2secret";
            options.ConfigurationOptions = new ConfigurationOptions { EndPoints = { "localhost:6379" } };
        }),
        "more than one",
        "Configuration, ConfigurationOptions");

    [Theory]
    [InlineData("a{b}:", "'a{b}:'")]
    [InlineData("}", "'}'")]
    [InlineData("", "empty")]
    public async Task A_bad_prefix_stops_the_host_at_start(string prefix, string said) => await AssertRefusedAsync(
        locks => locks.UseRedis(options =>
        {
            options.Configuration = servers.Redis.ConnectionString;
            options.KeyPrefix = prefix;
        }),
        "RedisLockOptions.KeyPrefix",
        said);

    [Fact]
    public async Task A_connection_that_is_not_among_the_services_stops_the_host_at_start() =>
        await AssertRefusedAsync(locks => locks.UseRedis(), "IConnectionMultiplexer", "register one");

    [Fact]
    public async Task A_connection_that_the_application_made_through_sentinels_stops_the_host_at_start_unless_it_is_wanted()
    {
        await using ConnectionMultiplexer theirs = await ConnectionMultiplexer.ConnectAsync(servers.Fleet.ConnectionString);
        using IHost refused = Host(locks => Provide(locks, isWanted: false));

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => refused.StartAsync(Cancellation));

        Assert.Contains($"Fix: UseRedis(\"<sentinels>,serviceName={SentinelFleet.Service}\")", error.Message, StringComparison.Ordinal);
        using IHost wanted = Host(locks => Provide(locks, isWanted: true));
        await wanted.StartAsync(Cancellation);
        await using (TaskLease? lease = await wanted.Services.GetRequiredService<ITaskLocks>().TryAcquireAsync("wanted", cancellationToken: Cancellation))
        {
            Assert.NotNull(lease);
        }

        await wanted.StopAsync(Cancellation);

        void Provide(JobLockingBuilder locks, bool isWanted)
        {
            locks.Services.AddSingleton<IConnectionMultiplexer>(theirs);
            locks.UseRedis();
            locks.Services.Configure<RedisLockOptions>(options => options.AllowForeignSentinelConnection = isWanted);
        }
    }

    [Fact]
    public async Task A_tunnel_and_a_service_name_stop_the_host_at_start() => await AssertRefusedAsync(
        locks => locks.UseRedis(options => options.ConfigurationOptions = new ConfigurationOptions
        {
            EndPoints = { "sentinel-1" },
            ServiceName = "mymaster",
            Tunnel = StackExchange.Redis.Configuration.Tunnel.HttpProxy(new System.Net.DnsEndPoint("proxy", 80)),
        }),
        "has a Tunnel and the service name 'mymaster'");

    [Fact]
    public async Task Two_stores_stop_the_host_at_start()
    {
        using IHost host = Host(locks => locks.UseRedis(servers.Redis.ConnectionString).UseInMemory());

        TaskLockException error = await Assert.ThrowsAsync<TaskLockException>(() => host.StartAsync(Cancellation));

        Assert.Contains(nameof(RedisLockStore), error.Message, StringComparison.Ordinal);
    }

    internal static IHost Host(Action<JobLockingBuilder> store)
    {
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        store(builder.Services.AddJobLocking());
        builder.Services.AddHealthChecks().AddJobLocking();
        return builder.Build();
    }

    private static async Task AssertRefusedAsync(Action<JobLockingBuilder> store, params string[] said)
    {
        using IHost host = Host(store);

        OptionsValidationException error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(Cancellation));

        Assert.All(said, words => Assert.Contains(words, error.Message, StringComparison.Ordinal));
        Assert.Contains("Fix: ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2secret", error.Message, StringComparison.Ordinal);
    }

    private async Task AssertLocksAsync(Action<JobLockingBuilder> store)
    {
        string name = $"use-redis:{Guid.NewGuid():N}";
        using IHost host = Host(store);
        await host.StartAsync(Cancellation);
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();

        await using (TaskLease? lease = await locks.TryAcquireAsync(name, cancellationToken: Cancellation))
        {
            Assert.NotNull(lease);
            await using RedisLockStore other = RedisStoreTests.CreateStore(servers.Redis.ConnectionString);
            Assert.Equal(AcquireOutcome.Contended, (await other.AcquireAsync(LockRequests.Acquire(name), Cancellation)).Outcome);
            HeldLock listed = Assert.Single(await locks.ListAsync(name, Cancellation).ToListAsync(Cancellation));
            Assert.Equal((lease.FencingToken, lease.Holder), (listed.FencingToken!.Value, listed.Holder!));
        }

        await host.StopAsync(Cancellation);
    }

    private sealed record Address(string Text);
}
