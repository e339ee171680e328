namespace JobLocking.Quartz.Tests;

internal static class Current
{
    /// <summary>Ends with the test that runs.</summary>
    public static CancellationToken Token => TestContext.Current.CancellationToken;
}
