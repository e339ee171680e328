namespace JobLocking.Benchmarks.Rivals;

/// <summary>The results of all turns of a case.</summary>
internal sealed class Findings
{
    private readonly Dictionary<(string Contender, string What), List<double>> _turns = [];

    public void Add(string contender, IReadOnlyDictionary<string, double> measured)
    {
        foreach ((string what, double value) in measured)
        {
            if (!_turns.TryGetValue((contender, what), out List<double>? values))
            {
                _turns.Add((contender, what), values = []);
            }

            values.Add(value);
        }
    }

    /// <summary>Turns what was measured in the turns of one contender into the figure of another that took part in them.</summary>
    public void HandOver(string from, string measured, string to, string what)
    {
        _turns.Remove((from, measured), out List<double>? values);
        _turns.Add((to, what), values!);
    }

    /// <summary>All contenders that were measured.</summary>
    public IEnumerable<string> Contenders(string what) => _turns.Keys.Where(key => key.What == what).Select(key => key.Contender);

    public Figure Of(string contender, string what) => new(_turns[(contender, what)]);

    /// <summary>Adds the difference of each contender's figure to that of a baseline, in each turn: the cost of its own part.</summary>
    /// <param name="baseline">The contender without that part.</param>
    /// <param name="what">The figure.</param>
    /// <param name="over">The name of the difference.</param>
    public void AddOver(string baseline, string what, string over)
    {
        foreach (string contender in Contenders(what).Where(contender => contender != baseline).ToArray())
        {
            _turns.Add((contender, over), [.. _turns[(contender, what)].Zip(_turns[(baseline, what)], (one, without) => one - without)]);
        }
    }

    /// <summary>The median of the differences of each turn.</summary>
    public double Difference(string contender, string other, string what) =>
        new Figure(_turns[(contender, what)].Zip(_turns[(other, what)], (one, two) => one - two)).Median;

    /// <summary>The median of the ratios of each turn: a temporary slowdown of the machine affects both sides.</summary>
    public double Ratio(string contender, string other, string what) =>
        new Figure(_turns[(contender, what)].Zip(_turns[(other, what)], (one, two) => one / two)).Median;
}

/// <summary>The same thing measured in each turn.</summary>
internal sealed class Figure(IEnumerable<double> turns)
{
    private readonly double[] _sorted = [.. turns.Order()];

    public double Median => (_sorted[(_sorted.Length - 1) / 2] + _sorted[_sorted.Length / 2]) / 2;

    public double Least => _sorted[0];

    public double Most => _sorted[^1];
}
