using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Security;

/// <summary>A server with the user of docs/security.md, which may evict keys.</summary>
public sealed class RestrictedServer : IAsyncLifetime
{
    private RedisServer _server = null!;

    private ConnectionMultiplexer _admin = null!;

    public IDatabase Admin => _admin.GetDatabase();

    public string ConnectionStringOf(string user) =>
        $"{_server.ConnectionString},user={user},password={SecurityPage.Password},connectTimeout=500,asyncTimeout=1000";

    public async ValueTask InitializeAsync()
    {
        _server = await RedisServer.StartAsync();
        _admin = await ConnectionMultiplexer.ConnectAsync($"{_server.ConnectionString},allowAdmin=true");
        await Admin.ExecuteAsync("ACL", SecurityPage.SetUser());
    }

    public async ValueTask DisposeAsync()
    {
        await _admin.DisposeAsync();
        await _server.DisposeAsync();
    }
}
