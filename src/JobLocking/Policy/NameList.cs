namespace JobLocking.Policy;

/// <summary>Lists names in a message of an adapter.</summary>
public static class NameList
{
    private const int MostNamed = 10;

    /// <summary>The first ten, and how many more there are: <c>a, b, c and 7 more</c>.</summary>
    /// <param name="names">The names.</param>
    /// <param name="separator">What stands between them.</param>
    public static string FirstTen(IReadOnlyCollection<string> names, string separator = ", ")
    {
        ArgumentNullException.ThrowIfNull(names);
        string more = names.Count > MostNamed ? $" and {names.Count - MostNamed} more" : "";
        return string.Join(separator, names.Take(MostNamed)) + more;
    }
}
