using System.Globalization;

namespace JobLocking.ChaosTests.Soak;

/// <summary>What <c>tests/run.sh --soak</c> orders; all of it is short, and the same each time, where nothing is ordered.</summary>
internal static class SoakOrder
{
    /// <summary>What faults are drawn from.</summary>
    public static int Seed { get; } = Number("JOBLOCKING_SOAK_SEED", 1);

    /// <summary>For how long: <c>JOBLOCKING_SOAK</c> in seconds.</summary>
    public static TimeSpan DurationOr(int seconds) => TimeSpan.FromSeconds(Number("JOBLOCKING_SOAK", seconds));

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { } number ? int.Parse(number, CultureInfo.InvariantCulture) : otherwise;
}
