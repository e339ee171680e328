namespace JobLocking.Benchmarks.Handoff;

/// <summary>One case of one library.</summary>
internal interface IHandoff
{
    string Case { get; }

    string Library { get; }

    /// <summary>Makes an execution wait for a held lock, releases the lock, and measures how soon the next one holds it.</summary>
    Task<Handoffs> MeasureAsync(CancellationToken cancellationToken);
}

/// <summary>The measurement of one handoff, or of a whole line of them.</summary>
/// <param name="Times">The time of each, from before the release is sent until the next holder knows that it holds the lock.</param>
/// <param name="Traffic">The traffic of all of them together.</param>
internal sealed record Handoffs(IReadOnlyCollection<TimeSpan> Times, Traffic Traffic);

/// <summary>The traffic between clients and server.</summary>
/// <param name="Requests">Sent by the connections of the library: round trips.</param>
/// <param name="Commands">Executed by the server, for all clients, also within scripts: work.</param>
internal readonly record struct Traffic(long Requests, long Commands)
{
    public static Traffic operator +(Traffic a, Traffic b) => new(a.Requests + b.Requests, a.Commands + b.Commands);

    public static Traffic operator -(Traffic a, Traffic b) => new(a.Requests - b.Requests, a.Commands - b.Commands);
}
