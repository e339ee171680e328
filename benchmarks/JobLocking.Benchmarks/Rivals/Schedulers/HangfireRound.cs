namespace JobLocking.Benchmarks.Rivals.Schedulers;

/// <summary>What a server was seen to do from its start to its end.</summary>
/// <param name="Timeline">Its jobs.</param>
/// <param name="Traffic">What it and they have asked of the Redis.</param>
/// <param name="Processor">The processor time of the process, which depends much less on who else is at work on the machine than any time on the clock.</param>
internal sealed record HangfireRound(Timeline Timeline, RedisTraffic Traffic, TimeSpan Processor);
