namespace JobLocking.TestWorker;

/// <summary>Facts for the test, each a line.</summary>
internal static class Say
{
    public static void Fact(string fact)
    {
        Console.Out.WriteLine(fact);
        Console.Out.Flush();
    }

    /// <summary>A run under a lease, from its start until its lease is lost or the process ends.</summary>
    public static async Task RunUntilLostAsync(string what, TaskLease lease)
    {
        Fact($"started {what} {lease.FencingToken}");
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, lease.Lost);
        }
        catch (OperationCanceledException)
        {
            Fact($"lost {what} {lease.FencingToken}");
            throw;
        }
    }
}
