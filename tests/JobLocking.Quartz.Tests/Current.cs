namespace JobLocking.Quartz.Tests;

internal static class Current
{
    /// <summary>Cancelled when the running test ends.</summary>
    public static CancellationToken Token => TestContext.Current.CancellationToken;
}
