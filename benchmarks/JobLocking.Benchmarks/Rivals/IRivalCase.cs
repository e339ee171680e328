namespace JobLocking.Benchmarks.Rivals;

/// <summary>One thing that several contenders do in turn, round after round.</summary>
internal interface IRivalCase : IAsyncDisposable
{
    /// <summary>Who takes part; <see cref="Contender.JobLocking"/> is always among them.</summary>
    IReadOnlyList<string> Contenders { get; }

    /// <summary>One round of one contender.</summary>
    /// <returns>What was measured, by what it is called in <see cref="Findings"/>.</returns>
    Task<IReadOnlyDictionary<string, double>> MeasureAsync(string contender, CancellationToken stop);

    /// <summary>The lines of the table, from all rounds but the first, in which code was compiled and scripts were loaded.</summary>
    IEnumerable<Row> Rows(Findings findings);
}
