using System.Globalization;

namespace JobLocking.ChaosTests.Soak;

/// <summary>What <c>tests/run.sh --soak</c> requests. Without a request, the soak is short and the same each time.</summary>
internal static class SoakOrder
{
    /// <summary>The seed of the faults.</summary>
    public static int Seed { get; } = Number("JOBLOCKING_SOAK_SEED", 1);

    /// <summary>The duration: <c>JOBLOCKING_SOAK</c> in seconds.</summary>
    public static TimeSpan DurationOr(int seconds) => TimeSpan.FromSeconds(Number("JOBLOCKING_SOAK", seconds));

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { } number ? int.Parse(number, CultureInfo.InvariantCulture) : otherwise;
}
