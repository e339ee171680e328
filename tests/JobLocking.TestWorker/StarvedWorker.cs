using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace JobLocking.TestWorker;

/// <summary>A process that holds one lock by hand while many tasks block all threads of its pool.</summary>
internal static class StarvedWorker
{
    public static async Task<int> RunAsync(string redis, TimeSpan expire, int blockers)
    {
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddJobLocking().UseRedis(redis);
        using IHost host = builder.Build();
        await host.StartAsync();
        TaskLease lease = await host.Services.GetRequiredService<ITaskLocks>().AcquireAsync("starved", new TaskLockOptions { Expire = expire });
        WorkerOutput.Report("ready");

        using ManualResetEvent end = new(initialState: false);
        Thread watch = new(() => Watch(lease, end)) { IsBackground = true };
        Thread commands = new(() =>
        {
            Console.In.ReadLine();
            end.Set();
        })
        { IsBackground = true };
        watch.Start();
        commands.Start();

        // From a thread outside the pool: then they are in the pool's global queue, before everything that comes later.
        Thread block = new(() =>
        {
            for (int i = 0; i < blockers; i++)
            {
                _ = Task.Run(end.WaitOne);
            }
        });
        block.Start();

        watch.Join();
        return 0;
    }

    /// <summary>
    /// Reports the least time that the lease had left while its holder did not know of a loss; negative if it learned of it too late.
    /// </summary>
    private static void Watch(TaskLease lease, ManualResetEvent end)
    {
        TimeSpan least = TimeSpan.MaxValue;
        while (!end.WaitOne(TimeSpan.FromMilliseconds(2)))
        {
            // In this order: the time left is read before the token.
            TimeSpan left = lease.ExpiresAt - DateTimeOffset.UtcNow;
            if (lease.Lost.IsCancellationRequested)
            {
                break;
            }

            least = left < least ? left : least;
        }

        bool isTold = lease.Lost.WaitHandle.WaitOne(0);
        WorkerOutput.Report($"{(isTold ? "lost" : "kept")} {(long)least.TotalMilliseconds}");
    }
}
