using System.Runtime.CompilerServices;

namespace JobLocking.Hangfire;

/// <summary>Waits for the engine on the thread of a worker.</summary>
internal static class Blocking
{
    /// <summary>What comes of it, or what it throws.</summary>
    /// <remarks>
    /// Asleep from the start. Whoever waits for a task in the usual way spins first, and takes a processor from the threads
    /// that bring the answer.
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
