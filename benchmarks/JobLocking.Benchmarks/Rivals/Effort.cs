namespace JobLocking.Benchmarks.Rivals;

/// <summary>How much work a run does.</summary>
/// <param name="Rounds">How often each contender is measured, after one round that is not counted.</param>
/// <param name="Share">The share of a full round: less for a run that only shows that everything works.</param>
internal sealed record Effort(int Rounds, double Share)
{
    /// <summary>The number of turns in a round for operations that take microseconds.</summary>
    public int ShortWakeUps => Of(8);

    /// <summary>
    /// The number of turns if the operation waits for one request at a time: its time depends on how deeply the processors sleep.
    /// </summary>
    public int ShortestTurns => 3 * ShortWakeUps;

    /// <summary>The share of a number that applies to a full run; never less than one.</summary>
    public int Of(int whole) => Math.Max(1, (int)(whole * Share));
}
