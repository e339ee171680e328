using System.Globalization;
using JobLocking.TestKit;
using StackExchange.Redis;

namespace JobLocking.Benchmarks;

/// <summary>The Redis of a run: a server of its own, which ends with the run, or the given one.</summary>
internal sealed class BenchmarkRedis : IAsyncDisposable
{
    private readonly RedisServer? _own;

    private readonly ConnectionMultiplexer _control;

    private BenchmarkRedis(RedisServer? own, string endpoint, ConnectionMultiplexer control)
    {
        _own = own;
        Endpoint = endpoint;
        _control = control;
    }

    /// <summary>host:port.</summary>
    public string Endpoint { get; }

    /// <summary>In every key, so that nothing on a given server is in the way, and nothing stays there.</summary>
    public string Prefix { get; } = $"benchmark-{Guid.NewGuid():N}:";

    public string Version => $"{Control.Version}";

    private IServer Control => _control.GetServers()[0];

    public static async Task<BenchmarkRedis> StartAsync(string? given)
    {
        RedisServer? own = given is null ? await RedisServer.StartAsync() : null;
        try
        {
            string endpoint = given ?? own!.Endpoint;
            return new BenchmarkRedis(own, endpoint, await ConnectionMultiplexer.ConnectAsync($"{endpoint},allowAdmin=true"));
        }
        catch
        {
            await (own?.DisposeAsync() ?? ValueTask.CompletedTask);
            throw;
        }
    }

    /// <summary>A new connection; all measured connections have the same settings.</summary>
    public async Task<IConnectionMultiplexer> ConnectAsync() => await ConnectionMultiplexer.ConnectAsync(Endpoint);

    /// <summary>
    /// The commands that the server has executed so far for all clients, also within scripts, except those that this class sends.
    /// </summary>
    public async Task<long> CommandsAsync() =>
        (await CommandStatsAsync()).Where(entry => entry.Key is not ("cmdstat_info" or "cmdstat_ping")).Sum(entry => Stat(entry.Value, "calls"));

    /// <summary>How many scripts the server has executed so far for all clients, and how long they took.</summary>
    public async Task<(long Calls, TimeSpan Time)> ScriptsAsync()
    {
        string stats = (await CommandStatsAsync()).FirstOrDefault(entry => entry.Key == "cmdstat_evalsha").Value ?? "calls=0,usec=0";
        return (Stat(stats, "calls"), TimeSpan.FromMicroseconds(Stat(stats, "usec")));
    }

    /// <summary>Removes all keys. Only for a server of its own.</summary>
    public Task EmptyAsync() => Control.FlushDatabaseAsync();

    /// <summary>How many keys the server has, and how much memory they take, as the server counts it.</summary>
    public async Task<(long Keys, long Bytes)> UsedByKeysAsync()
    {
        RedisKey[] keys = await Control.KeysAsync(pageSize: 1_000).ToArrayAsync();
        long[] bytes = await Task.WhenAll(keys.Select(async key => (long)await _control.GetDatabase().ExecuteAsync("MEMORY", "USAGE", key, "SAMPLES", 0)));
        return (keys.Length, bytes.Sum());
    }

    /// <summary>The processor time that the server has used so far.</summary>
    public async Task<TimeSpan> ProcessorTimeAsync() => TimeSpan.FromSeconds((await Control.InfoAsync("cpu"))
        .SelectMany(section => section)
        .Where(entry => entry.Key is "used_cpu_sys" or "used_cpu_user")
        .Sum(entry => double.Parse(entry.Value, CultureInfo.InvariantCulture)));

    public async ValueTask DisposeAsync()
    {
        if (_own is null)
        {
            RedisKey[] left = await Control.KeysAsync(pattern: $"*{Prefix}*").ToArrayAsync();
            await _control.GetDatabase().KeyDeleteAsync(left);
        }

        await _control.DisposeAsync();
        await (_own?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private static long Stat(string stats, string what) =>
        long.Parse(stats.Split(',').Single(stat => stat.StartsWith($"{what}=", StringComparison.Ordinal)).AsSpan(what.Length + 1), CultureInfo.InvariantCulture);

    private async Task<IEnumerable<KeyValuePair<string, string>>> CommandStatsAsync() =>
        (await Control.InfoAsync("commandstats")).SelectMany(section => section);
}
