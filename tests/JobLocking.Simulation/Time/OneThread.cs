using System.Runtime.CompilerServices;

namespace JobLocking.Simulation.Time;

/// <summary>
/// The thread pool with one thread, on which the simulation and all that it simulates take turns. When nothing is ready to run any more,
/// the simulation decides what happens next.
/// </summary>
internal static class OneThread
{
    /// <summary>Runs the simulation on that thread, and refuses if the pool may have more threads.</summary>
    public static T Run<T>(Func<Task<T>> simulation)
    {
        ThreadPool.GetMaxThreads(out int most, out _);
        return most == 1
            ? Task.Run(simulation).GetAwaiter().GetResult()
            : throw new InvalidOperationException($"The thread pool may have {most} threads: the order of things would be theirs, not the seed's. Fix: start the program by its own runtimeconfig.json.");
    }

    /// <summary>Returns when everything that could run has run.</summary>
    public static async Task SettleAsync()
    {
        do
        {
            await default(Turn);
        }
        while (ThreadPool.PendingWorkItemCount > 0);
    }

    /// <summary>Awaiting it lets everything that is ready run first. Local work items run before global ones.</summary>
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
