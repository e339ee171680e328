namespace JobLocking.Hangfire;

/// <summary>
/// Runs the wake-ups of this process. Storages are synchronous, and wait for locks of their own: a few wake-ups on threads of the pool
/// would block everything else that needs it. So each wake-up has a thread of its own, and only a few run at once.
/// </summary>
internal static class WakeUp
{
    private const int MostAtOnce = 8;

    private static readonly SemaphoreSlim Gate = new(MostAtOnce);

    public static async ValueTask<bool> StartAsync(Func<bool> wake)
    {
        await Gate.WaitAsync().ConfigureAwait(false);
        try
        {
            return await Task.Factory.StartNew(wake, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
                .ConfigureAwait(false);
        }
        finally
        {
            Gate.Release();
        }
    }
}
