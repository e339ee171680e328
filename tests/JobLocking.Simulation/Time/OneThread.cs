using System.Runtime.CompilerServices;

namespace JobLocking.Simulation.Time;

/// <summary>
/// The thread pool with one thread, on which the simulation and all that it simulates take turns. Behind everything that is
/// ready to run comes a moment in which nothing is: then the simulation says what happens next.
/// </summary>
internal static class OneThread
{
    /// <summary>Runs the simulation there, and refuses to where the pool may have more.</summary>
    public static T Run<T>(Func<Task<T>> simulation)
    {
        ThreadPool.GetMaxThreads(out int most, out _);
        return most == 1
            ? Task.Run(simulation).GetAwaiter().GetResult()
            : throw new InvalidOperationException($"The thread pool may have {most} threads: the order of things would be theirs, not the seed's. Fix: start the program by its own runtimeconfig.json.");
    }

    /// <summary>Returns when everything has run that could.</summary>
    public static async Task SettleAsync()
    {
        do
        {
            await default(Turn);
        }
        while (ThreadPool.PendingWorkItemCount > 0);
    }

    /// <summary>Awaited, it lets all go first that is ready. Local work is done before what is queued globally.</summary>
    private readonly struct Turn : ICriticalNotifyCompletion
    {
        public bool IsCompleted => false;

        public Turn GetAwaiter() => this;

        public void GetResult()
        {
        }

        public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

        public void UnsafeOnCompleted(Action continuation) => ThreadPool.UnsafeQueueUserWorkItem(static next => next(), continuation, preferLocal: false);
    }
}
