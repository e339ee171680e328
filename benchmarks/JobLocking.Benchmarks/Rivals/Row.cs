namespace JobLocking.Benchmarks.Rivals;

/// <summary>A line of the table: one figure of all contenders, and whether ours meets its target.</summary>
/// <param name="Case">The case.</param>
/// <param name="Unit">The unit of the figures.</param>
/// <param name="JobLocking">The median of our turns.</param>
/// <param name="Least">The smallest value of our turns.</param>
/// <param name="Most">The largest value of our turns.</param>
/// <param name="Rivals">The medians of the others.</param>
/// <param name="Ratio">Ours divided by theirs: the median of the ratios of each turn.</param>
/// <param name="Target">The target.</param>
/// <param name="Met">Whether the target was met.</param>
/// <param name="Limit">Why it was not met, as measured in this run.</param>
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
    /// <summary>The row of one figure, with all contenders that were measured.</summary>
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

    /// <summary>The row with its limit, if it missed a target that no contender can reach, by no more than is allowed.</summary>
    public Row OrLimit(bool isBeyondReach, string limit) => Met || !isBeyondReach ? this : this with { Limit = limit };
}
