namespace JobLocking.TestWorker;

/// <summary>Reports facts to the test, one a line.</summary>
internal static class WorkerOutput
{
    public static void Report(string fact)
    {
        Console.Out.WriteLine(fact);
        Console.Out.Flush();
    }

    /// <summary>A run under a lease, from its start until its lease is lost or the process ends.</summary>
    public static async Task RunUntilLostAsync(string what, TaskLease lease)
    {
        Report($"started {what} {lease.FencingToken}");
        try
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, lease.Lost);
        }
        catch (OperationCanceledException)
        {
            Report($"lost {what} {lease.FencingToken}");
            throw;
        }
    }
}
