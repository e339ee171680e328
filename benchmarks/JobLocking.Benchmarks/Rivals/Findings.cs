namespace JobLocking.Benchmarks.Rivals;

/// <summary>What all turns of a case came to.</summary>
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

    /// <summary>Makes what was measured in the turns of one contender the figure of another, who took part in them.</summary>
    public void HandOver(string from, string measured, string to, string what)
    {
        _turns.Remove((from, measured), out List<double>? values);
        _turns.Add((to, what), values!);
    }

    /// <summary>Everybody who was measured at this.</summary>
    public IEnumerable<string> Contenders(string what) => _turns.Keys.Where(key => key.What == what).Select(key => key.Contender);

    public Figure Of(string contender, string what) => new(_turns[(contender, what)]);

    /// <summary>Adds what everybody's figure is over that of one of them, the difference in each turn: what their own part costs.</summary>
    /// <param name="baseline">The one that is done without.</param>
    /// <param name="what">Of which figure.</param>
    /// <param name="over">What the difference is called.</param>
    public void AddOver(string baseline, string what, string over)
    {
        foreach (string contender in Contenders(what).Where(contender => contender != baseline).ToArray())
        {
            _turns.Add((contender, over), [.. _turns[(contender, what)].Zip(_turns[(baseline, what)], (one, without) => one - without)]);
        }
    }

    /// <summary>The middle one of the differences of each turn.</summary>
    public double Difference(string contender, string other, string what) =>
        new Figure(_turns[(contender, what)].Zip(_turns[(other, what)], (one, two) => one - two)).Median;

    /// <summary>The middle one of the ratios of each turn: what slows the machine down for a while slows both.</summary>
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
