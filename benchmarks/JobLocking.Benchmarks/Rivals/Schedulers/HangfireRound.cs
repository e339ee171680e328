namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>What a server was seen to do from its start to its end.</summary>
/// <param name="Timeline">Its jobs.</param>
/// <param name="Traffic">What it and they have asked of the Redis.</param>
internal sealed record HangfireRound(Timeline Timeline, RedisTraffic Traffic);
