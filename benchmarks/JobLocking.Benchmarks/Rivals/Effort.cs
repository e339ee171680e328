namespace JobLocking.Benchmarks.Rivals;

/// <summary>How much is done.</summary>
/// <param name="Rounds">How often each contender is measured, after one round that is not counted.</param>
/// <param name="Share">Of what a whole run does in a round: less for a run that only shows that everything works.</param>
internal sealed record Effort(int Rounds, double Share)
{
    /// <summary>In how many turns a round is done of what takes microseconds.</summary>
    public int ShortWakeUps => Of(8);

    /// <summary>In how many where one request at a time is waited for: how long that takes jumps with how deep the processors sleep.</summary>
    public int ShortestTurns => 3 * ShortWakeUps;

    /// <summary>So many of what a whole run does so often; never less than one.</summary>
    public int Of(int whole) => Math.Max(1, (int)(whole * Share));
}
