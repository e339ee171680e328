using System.Globalization;

namespace JobLocking.TestWorker.Chaos;

/// <summary>What a process uses when all garbage is gone.</summary>
/// <param name="Memory">On the managed heap, in bytes.</param>
/// <param name="Handles">Open files and sockets.</param>
/// <param name="Timers">That are set.</param>
/// <param name="Work">That waits for a thread of the pool.</param>
internal sealed record Account(long Memory, long Handles, long Timers, long Work)
{
    public static Account Now()
    {
        // Pools give back what they keep only when memory is said to be short.
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return new Account(GC.GetTotalMemory(forceFullCollection: true), Directory.GetFiles("/proc/self/fd").Length, Timer.ActiveCount, ThreadPool.PendingWorkItemCount);
    }

    public static Account Parse(string line)
    {
        long[] numbers = [.. line.Split(' ').Skip(1).Select(n => long.Parse(n, CultureInfo.InvariantCulture))];
        return new Account(numbers[0], numbers[1], numbers[2], numbers[3]);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"account {Memory} {Handles} {Timers} {Work}");
}
