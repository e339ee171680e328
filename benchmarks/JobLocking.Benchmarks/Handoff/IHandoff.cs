namespace JobLocking.Benchmarks.Handoff;

/// <summary>One case of one library.</summary>
internal interface IHandoff
{
    string Case { get; }

    string Library { get; }

    /// <summary>Has somebody wait for a lock that is held, releases it, and sees how soon the next one holds it.</summary>
    Task<Handoffs> MeasureAsync(CancellationToken cancellationToken);
}

/// <summary>What was measured: one handoff, or a whole line of them.</summary>
/// <param name="Times">Of each, from before the release is sent until the next one knows that it holds the lock.</param>
/// <param name="Traffic">Of all of them together.</param>
internal sealed record Handoffs(IReadOnlyCollection<TimeSpan> Times, Traffic Traffic);

/// <summary>What goes on between clients and server.</summary>
/// <param name="Requests">Sent by the connections of the library: round trips.</param>
/// <param name="Commands">Executed by the server, for anybody, also within scripts: work.</param>
internal readonly record struct Traffic(long Requests, long Commands)
{
    public static Traffic operator +(Traffic a, Traffic b) => new(a.Requests + b.Requests, a.Commands + b.Commands);

    public static Traffic operator -(Traffic a, Traffic b) => new(a.Requests - b.Requests, a.Commands - b.Commands);
}
