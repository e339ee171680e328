namespace JobLocking.Hangfire;

/// <summary>
/// Runs the wakes of this process. A storage is synchronous, and waits for its own locks: on the threads of the pool a few
/// wakes at once would hold up all that answers them. So each has a thread of its own, and there are only so many.
/// </summary>
internal static class Wakes
{
    private const int MostAtOnce = 8;

    private static readonly SemaphoreSlim Gate = new(MostAtOnce);

    public static async ValueTask<bool> StartAsync(Func<bool> wake)
    {
        await Gate.WaitAsync().ConfigureAwait(false);
        try
        {
            return await Task.Factory.StartNew(wake, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        }
        finally
        {
            Gate.Release();
        }
    }
}
