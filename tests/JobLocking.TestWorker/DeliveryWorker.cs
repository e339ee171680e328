using System.Collections.Concurrent;
using System.Globalization;
using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace JobLocking.TestWorker;

/// <summary>
/// A Hangfire server on a storage that delivers running jobs again. The test creates the jobs; each runs until the test says that it is to
/// finish. This process reports where each run begins and ends, and each delivery of a job that is Processing already.
/// </summary>
internal static class DeliveryWorker
{
    public static async Task<int> RunAsync(string locks, string storages, string address, string invisibility, string workers, bool isDecorated)
    {
        JobStorage storage = DeliveryStorage.Create(
            Enum.Parse<DeliveryStorages>(storages), address, TimeSpan.FromSeconds(int.Parse(invisibility, CultureInfo.InvariantCulture)));
        DeliveryGates gates = new();
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddSingleton(gates);
        builder.Services.AddJobLocking().UseRedis(locks);
        builder.Services.AddHangfire((sp, hangfire) => hangfire.UseStorage(storage).UseFilter(new DeliveryReporter()).UseTaskLocks(sp));
        builder.Services.AddHangfireServer(o =>
        {
            o.WorkerCount = int.Parse(workers, CultureInfo.InvariantCulture);
            o.Queues = ["critical", "default"];
            o.SchedulePollingInterval = TimeSpan.FromSeconds(1);
            o.CancellationCheckInterval = TimeSpan.FromSeconds(1);
        });
        if (isDecorated)
        {
            builder.Services.AddHangfireTaskLocks();
        }

        using IHost host = builder.Build();
        await host.StartAsync();
        DeliveryStorage.HastenDeliveries(storage);
        WorkerOutput.Report("ready");
        while ((await WorkerInput.NextCommandAsync())?.Split(' ') is ["finish", var name])
        {
            gates.Open(name);
        }

        await host.StopAsync();
        return 0;
    }

    /// <summary>What keeps the jobs of this process running.</summary>
    private sealed class DeliveryGates
    {
        private readonly ConcurrentDictionary<string, TaskCompletionSource> _gates = [];

        public Task Of(string name) => Gate(name).Task;

        public void Open(string name) => Gate(name).TrySetResult();

        private TaskCompletionSource Gate(string name) =>
            _gates.GetOrAdd(name, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
    }

    /// <summary>Before the filter of JobLocking, so that it sees each delivery.</summary>
    private sealed class DeliveryReporter : IElectStateFilter, IJobFilter
    {
        public bool AllowMultiple => false;

        public int Order => -2000;

        public void OnStateElection(ElectStateContext context)
        {
            if (context.CandidateState is ProcessingState && context.CurrentState == ProcessingState.StateName)
            {
                WorkerOutput.Report($"delivered again {context.BackgroundJob.Id}");
            }
        }
    }

    /// <summary>Each job has a lock of its own, or one that has room for all.</summary>
    [AutomaticRetry(Attempts = 0)]
    public sealed class Job(IServiceProvider services)
    {
        [TaskLock("delivery:{name}", Expire = 10)]
        public Task Run(string name, bool watches, CancellationToken cancellationToken) => WorkAsync(name, watches, cancellationToken);

        [TaskLock("delivery:{name}", Expire = 10)]
        [Queue("critical")]
        public Task RunInCritical(string name, bool watches, CancellationToken cancellationToken) => WorkAsync(name, watches, cancellationToken);

        [TaskLock("deliveries", Expire = 10, Limit = 10)]
        public Task RunBesideOthers(string name, bool watches, CancellationToken cancellationToken) => WorkAsync(name, watches, cancellationToken);

        [TaskLock("delivery:{name}", Expire = 10)]
        [AutomaticRetry(Attempts = 1, DelaysInSeconds = [1])]
        public Task RunAtTheSecondAttempt(string name, bool watches, PerformContext context, CancellationToken cancellationToken) =>
            context.GetJobParameter<int>("RetryCount") > 0
                ? WorkAsync(name, watches, cancellationToken)
                : throw new InvalidOperationException("This is the first attempt.");

        private async Task WorkAsync(string name, bool watches, CancellationToken cancellationToken)
        {
            WorkerOutput.Report($"begin {name}");
            try
            {
                await services.GetRequiredService<DeliveryGates>().Of(name).WaitAsync(watches ? cancellationToken : CancellationToken.None);
            }
            catch (OperationCanceledException)
            {
                WorkerOutput.Report($"cancelled {name}");
                throw;
            }

            WorkerOutput.Report($"end {name}");
        }
    }
}
