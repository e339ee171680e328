namespace JobLocking.Benchmarks.Rivals;

/// <summary>One thing that several contenders do in turn, round after round.</summary>
internal interface IRivalCase : IAsyncDisposable
{
    /// <summary>The contenders; <see cref="Contender.JobLocking"/> is always among them.</summary>
    IReadOnlyList<string> Contenders { get; }

    /// <summary>
    /// How often all contenders take their turn in a round: more than once where a turn can be short, so that a slow moment of the machine
    /// that is longer than a turn affects all of them.
    /// </summary>
    int WakeUpsARound => 1;

    /// <summary>One turn of one contender.</summary>
    /// <returns>The measured values, by their names in <see cref="Findings"/>.</returns>
    Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop);

    /// <summary>The lines of the table, from all rounds but the first, in which code was compiled and scripts were loaded.</summary>
    IEnumerable<Row> Rows(Findings findings);
}
