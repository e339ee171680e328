using Hangfire;
using Hangfire.Redis.StackExchange;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace JobLocking.TestWorker;

/// <summary>A node with one Hangfire worker on the common storage, which enqueues a job on command.</summary>
internal static class HangfireWorker
{
    public static async Task<int> RunAsync(string redis, string node)
    {
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddJobLocking(o => o.NodeName = node).UseRedis(redis);

        // A worker that checks the queue just before a job arrives can miss its signal, and would then sleep for three minutes.
        RedisStorageOptions storage = new() { FetchTimeout = TimeSpan.FromSeconds(1) };
        builder.Services.AddHangfire((sp, configuration) => configuration.UseRedisStorage(redis, storage).UseTaskLocks(sp));
        builder.Services.AddHangfireServer(o => o.WorkerCount = 1).AddHangfireTaskLocks();
        using IHost host = builder.Build();
        await host.StartAsync();
        IBackgroundJobClient jobs = host.Services.GetRequiredService<IBackgroundJobClient>();
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is "fire")
        {
            jobs.Enqueue<Job>(job => job.Run());
        }

        return 0;
    }

    public sealed class Job(ITaskLeaseAccessor lease)
    {
        [TaskLock("process-lock", Expire = 3, DeferBy = 3600)]
        public async Task Run() => await WorkerOutput.RunUntilLostAsync("hangfire", lease.Required);
    }
}
