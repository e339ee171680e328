using System.Globalization;
using StackExchange.Redis;

namespace JobLocking.TestKit;

/// <summary>One primary, two replicas and three sentinels, as real processes. A server that does not answer is down after 2 seconds.</summary>
public sealed class SentinelFleet : IAsyncDisposable
{
    /// <summary>The name of the service that the sentinels watch.</summary>
    public const string Service = "locks";

    /// <summary>The replicas and the sentinels log in with it, if the fleet has users; all others with <see cref="Client"/>.</summary>
    private const string Member = "member";

    private const string Client = "client";

    private const string Password = "correct-horse";

    private const int Count = 3;

    /// <summary>
    /// A failover takes a few seconds. Sentinels that voted at the same time try again after twice the failover timeout of 5 seconds.
    /// </summary>
    private static readonly TimeSpan LongestFailover = TimeSpan.FromSeconds(60);

    private readonly List<RedisServer> _servers = [];

    private readonly List<RedisServer> _sentinels = [];

    private readonly string? _sentinelPassword;

    private readonly bool _hasUsers;

    private SentinelFleet(string? sentinelPassword, bool hasUsers) => (_sentinelPassword, _hasUsers) = (sentinelPassword, hasUsers);

    /// <summary>The first is the primary at the start.</summary>
    public IReadOnlyList<RedisServer> Servers => _servers;

    public IReadOnlyList<RedisServer> Sentinels => _sentinels;

    /// <summary>The server that the sentinels named when they were last asked.</summary>
    public RedisServer Primary { get; private set; } = null!;

    /// <summary>For StackExchange.Redis and <c>UseRedis</c>.</summary>
    public string ConnectionString => Through(_sentinels.Select(sentinel => sentinel.Endpoint));

    /// <param name="sentinelPassword">A password of the sentinels; null if they need none.</param>
    /// <param name="hasUsers">Whether clients log in, so that <see cref="CutOffAsync"/> can tell them from the members of the fleet.</param>
    /// <param name="arguments">For each server.</param>
    public static async Task<SentinelFleet> StartAsync(string? sentinelPassword = null, bool hasUsers = false, params string[] arguments)
    {
        SentinelFleet fleet = new(sentinelPassword, hasUsers);
        try
        {
            await fleet.BeginAsync(arguments);
            return fleet;
        }
        catch
        {
            await fleet.DisposeAsync();
            throw;
        }
    }

    /// <summary>The connection string with other addresses of sentinels.</summary>
    public string Through(IEnumerable<string> sentinels)
    {
        string ofServers = _hasUsers ? $",user={Client},password={Password},sentinelUser=" : "";
        string ofSentinels = _hasUsers || _sentinelPassword is not null ? $",sentinelPassword={_sentinelPassword}" : "";
        return $"{string.Join(',', sentinels)},serviceName={Service}{ofServers}{ofSentinels}";
    }

    /// <summary>For commands to one server, past the sentinels.</summary>
    public string ConnectionTo(RedisServer server) =>
        $"{server.ConnectionString},allowAdmin=true,abortConnect=false{(_hasUsers ? $",user={Client},password={Password}" : "")}";

    /// <summary>A planned failover: the primary is well, and is demoted.</summary>
    /// <returns>The new primary.</returns>
    public async Task<RedisServer> FailOverAsync()
    {
        RedisServer before = Primary;

        // A sentinel refuses while it has no replica that it finds good enough.
        await Eventually.SeesAsync(
            async () => (string)(await AskAsync(_sentinels.First(sentinel => sentinel.IsRunning), "FAILOVER", Service))!, said => said == "OK");
        return await NamesAnotherAsync(before);
    }

    /// <summary>Waits until every sentinel that runs names another primary than this one.</summary>
    public async Task<RedisServer> NamesAnotherAsync(RedisServer before)
    {
        foreach (RedisServer sentinel in _sentinels.Where(sentinel => sentinel.IsRunning))
        {
            Primary = await Eventually.SeesAsync(() => NamedByAsync(sentinel), named => named != before, LongestFailover);
        }

        return Primary;
    }

    /// <summary>Waits until the sentinels know two servers as replicas of the primary that have its data.</summary>
    public async Task IsCompleteAsync()
    {
        foreach (RedisServer sentinel in _sentinels.Where(sentinel => sentinel.IsRunning))
        {
            await Eventually.SeesAsync(
                async () => ((RedisResult[])(await AskAsync(sentinel, "REPLICAS", Service))!).Select(replica => replica.ToDictionary())
                    .Count(replica => (string)replica["flags"]! == "slave" && (string)replica["master-link-status"]! == "ok"),
                replicas => replicas == Count - 1,
                LongestFailover);
            await Eventually.SeesAsync(
                async () => (long)(await AskAsync(sentinel, "MASTER", Service)).ToDictionary()["num-other-sentinels"],
                others => others == Count - 1);
        }
    }

    /// <summary>Separates a server from the sentinels and from the other servers. Clients still reach it.</summary>
    public async Task CutOffAsync(RedisServer server)
    {
        await CommandAsync(server, "ACL", "SETUSER", Member, "off");
        await CommandAsync(server, "CLIENT", "KILL", "USER", Member);
    }

    /// <summary>Ends <see cref="CutOffAsync"/>.</summary>
    public async Task JoinAsync(RedisServer server) => await CommandAsync(server, "ACL", "SETUSER", Member, "on");

    /// <summary>Sends a command to one server.</summary>
    public async Task<RedisResult> CommandAsync(RedisServer server, string command, params object[] arguments)
    {
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(ConnectionTo(server));
        return await connection.GetServers()[0].ExecuteAsync(command, arguments);
    }

    /// <summary>Sends a SENTINEL command to one sentinel.</summary>
    public async Task<RedisResult> AskAsync(RedisServer sentinel, params object[] question)
    {
        ConfigurationOptions options = ConfigurationOptions.Parse(sentinel.Endpoint);
        (options.CommandMap, options.TieBreaker, options.Password) = (CommandMap.Sentinel, "", _sentinelPassword);
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(options);
        return await connection.GetServers()[0].ExecuteAsync("SENTINEL", question);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (RedisServer server in _sentinels.Concat(_servers))
        {
            await server.DisposeAsync();
        }
    }

    private async Task BeginAsync(string[] arguments)
    {
        string[] users = !_hasUsers ? [] :
        [
            "--user", "default", "off",
            "--user", Member, "on", $">{Password}", "~*", "&*", "+@all",
            "--user", Client, "on", $">{Password}", "~*", "&*", "+@all",
            "--masteruser", Member, "--masterauth", Password,
        ];
        string[] all = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", .. users, .. arguments];
        _servers.Add(Primary = await RedisServer.StartAsync(all));
        while (_servers.Count < Count)
        {
            _servers.Add(await RedisServer.StartAsync([.. all, "--replicaof", "127.0.0.1", $"{Primary.Port}"]));
        }

        await Eventually.SeesAsync(
            async () => (string)(await CommandAsync(Primary, "INFO", "replication"))!,
            info => info.Split("state=online").Length == Count);
        string configuration = string.Create(CultureInfo.InvariantCulture, $"""
            sentinel monitor {Service} 127.0.0.1 {Primary.Port} {(Count / 2) + 1}
            sentinel down-after-milliseconds {Service} 2000
            sentinel failover-timeout {Service} 5000
            {(_hasUsers ? $"sentinel auth-user {Service} {Member}\nsentinel auth-pass {Service} {Password}" : "")}
            {(_sentinelPassword is null ? "" : $"requirepass {_sentinelPassword}\nsentinel sentinel-pass {_sentinelPassword}")}
            """);
        for (int i = 0; i < Count; i++)
        {
            _sentinels.Add(await RedisServer.StartSentinelAsync(configuration));
        }

        await IsCompleteAsync();
    }

    private async Task<RedisServer> NamedByAsync(RedisServer sentinel)
    {
        string[] address = (string[])(await AskAsync(sentinel, "GET-MASTER-ADDR-BY-NAME", Service))!;
        return _servers.First(server => address[1] == server.Port.ToString(CultureInfo.InvariantCulture));
    }
}
