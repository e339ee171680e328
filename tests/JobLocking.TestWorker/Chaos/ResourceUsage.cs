using System.Globalization;

namespace JobLocking.TestWorker.Chaos;

/// <summary>What a process uses after a full garbage collection.</summary>
/// <param name="Memory">Bytes on the managed heap.</param>
/// <param name="Handles">Open files and sockets.</param>
/// <param name="Timers">Active timers.</param>
/// <param name="Work">Work items that wait for a thread of the pool.</param>
internal sealed record ResourceUsage(long Memory, long Handles, long Timers, long Work)
{
    public static ResourceUsage Now()
    {
        // Pools release their buffers only under memory pressure.
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return new ResourceUsage(GC.GetTotalMemory(forceFullCollection: true), Directory.GetFiles("/proc/self/fd").Length, Timer.ActiveCount, ThreadPool.PendingWorkItemCount);
    }

    public static ResourceUsage Parse(string line)
    {
        long[] numbers = [.. line.Split(' ').Skip(1).Select(n => long.Parse(n, CultureInfo.InvariantCulture))];
        return new ResourceUsage(numbers[0], numbers[1], numbers[2], numbers[3]);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"usage {Memory} {Handles} {Timers} {Work}");
}
