using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace JobLocking.TestWorker;

/// <summary>Adds one to a number in a file that only the lock protects: two executions at once would lose an addition.</summary>
internal static class Counter
{
    public static async Task<int> RunAsync(string redis, string file, int count)
    {
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddJobLocking().UseRedis(redis);
        using IHost host = builder.Build();
        await host.StartAsync();
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();

        WorkerOutput.Report("ready");
        await WorkerInput.NextCommandAsync();
        for (int done = 0; done < count;)
        {
            await using TaskLease? lease = await locks.TryAcquireAsync("counter");
            if (lease is null)
            {
                await Task.Delay(Random.Shared.Next(1, 4));
                continue;
            }

            int value = int.Parse(await File.ReadAllTextAsync(file), CultureInfo.InvariantCulture) + 1;
            await Task.Yield();
            await File.WriteAllTextAsync(file, value.ToString(CultureInfo.InvariantCulture));
            WorkerOutput.Report($"counted {value} {lease.FencingToken}");
            done++;
        }

        await host.StopAsync();
        return 0;
    }
}
