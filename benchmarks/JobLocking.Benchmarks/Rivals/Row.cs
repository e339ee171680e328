namespace JobLocking.Benchmarks.Rivals;

/// <summary>A line of the table: one figure of all contenders, and whether ours is as good as it has to be.</summary>
/// <param name="Case">What was done.</param>
/// <param name="Unit">Of the figures.</param>
/// <param name="JobLocking">The median of our turns.</param>
/// <param name="Least">The least of our turns.</param>
/// <param name="Most">The most of our turns.</param>
/// <param name="Rivals">The medians of the others.</param>
/// <param name="Ratio">Ours to theirs, the median of each turn's ratio.</param>
/// <param name="Target">What is to be reached.</param>
/// <param name="Met">Whether it was.</param>
/// <param name="Limit">Where it was not: what stands in the way, as measured in this run.</param>
internal sealed record Row(
    string Case,
    string Unit,
    double JobLocking,
    double Least,
    double Most,
    IReadOnlyDictionary<string, double> Rivals,
    IReadOnlyDictionary<string, double> Ratio,
    string Target,
    bool Met,
    string? Limit = null)
{
    /// <summary>The row of one figure, with all who were measured at it.</summary>
    public static Row Of(Findings findings, string what, string @case, string unit, string target, Func<Row, bool> met)
    {
        string[] rivals = [.. findings.Contenders(what).Where(contender => contender != Contender.JobLocking)];
        Figure ours = findings.Of(Contender.JobLocking, what);
        Row row = new(
            @case,
            unit,
            ours.Median,
            ours.Least,
            ours.Most,
            rivals.ToDictionary(rival => rival, rival => findings.Of(rival, what).Median),
            rivals.ToDictionary(rival => rival, rival => findings.Ratio(Contender.JobLocking, rival, what)),
            target,
            Met: false);
        return row with { Met = met(row) };
    }

    /// <summary>The row with its limit, if it has missed a target that is beyond the reach of anybody, by no more than ours may.</summary>
    public Row OrLimit(bool isBeyondReach, string limit) => Met || !isBeyondReach ? this : this with { Limit = limit };
}
