namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>What a server did from its start to its end.</summary>
/// <param name="Timeline">The times of its jobs.</param>
/// <param name="Traffic">The requests of the server and its jobs to Redis.</param>
internal sealed record HangfireRound(Timeline Timeline, RedisTraffic Traffic);
