using JobLocking.Quartz.Tests;
using JobLocking.TestKit;

[assembly: AssemblyFixture(typeof(SharedRedis))]

namespace JobLocking.Quartz.Tests;

/// <summary>One server for all tests; each cluster has keys of its own in it.</summary>
public sealed class SharedRedis : IAsyncLifetime
{
    public RedisServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await RedisServer.StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}
