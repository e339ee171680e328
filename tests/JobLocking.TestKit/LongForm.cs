namespace JobLocking.TestKit;

/// <summary>
/// Some tests have a long form beside the short one of every day. <c>tests/run.sh --long</c> orders it, and runs nothing but the tests
/// with <c>[Trait(LongForm.Name, LongForm.Value)]</c>.
/// </summary>
public static class LongForm
{
    /// <summary>The name of the trait.</summary>
    public const string Name = "form";

    /// <summary>Its value.</summary>
    public const string Value = "long";

    /// <summary>Whether the long form is to be run.</summary>
    public static bool IsOrdered { get; } = Environment.GetEnvironmentVariable("JOBLOCKING_LONG") is { Length: > 0 };

    /// <summary>Adds what a long form found to the output of <c>tests/run.sh --long</c>.</summary>
    public static async Task ReportAsync(string table)
    {
        if (IsOrdered && Environment.GetEnvironmentVariable("JOBLOCKING_LONG_TABLE") is { Length: > 0 } file)
        {
            await File.AppendAllTextAsync(file, table);
        }
    }
}
