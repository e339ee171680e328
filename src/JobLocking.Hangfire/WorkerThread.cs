using System.Runtime.CompilerServices;

namespace JobLocking.Hangfire;

/// <summary>Waits for the engine on the thread of a worker.</summary>
internal static class WorkerThread
{
    /// <summary>Returns the result, or throws the exception, of an asynchronous call.</summary>
    /// <remarks>
    /// It sleeps from the start. The usual ways to block on a task spin first, and take a processor from the threads that deliver the
    /// answer.
    /// </remarks>
    public static T Wait<T>(ValueTask<T> pending)
    {
        ConfiguredValueTaskAwaitable<T>.ConfiguredValueTaskAwaiter awaiter = pending.ConfigureAwait(false).GetAwaiter();
        if (!awaiter.IsCompleted)
        {
            ManualResetEventSlim ended = new(initialState: false, spinCount: 0);
            awaiter.UnsafeOnCompleted(ended.Set);
            ended.Wait();
        }

        return awaiter.GetResult();
    }
}
