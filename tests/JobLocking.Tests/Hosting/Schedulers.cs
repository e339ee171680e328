using JobLocking;
using Microsoft.Extensions.Hosting;

#pragma warning disable CA1040, IDE0130 // Schedulers as core knows them: by the names of their types alone.

namespace Hangfire
{
    internal interface IGlobalConfiguration;

    internal class BackgroundJobServerHostedService : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.CompletedTask;
    }

    internal sealed class DerivedServerHostedService : BackgroundJobServerHostedService;

    internal sealed class BackgroundProcessingServerHostedService : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.CompletedTask;
    }
}

namespace Quartz
{
    internal interface IJob;

    [TaskLock("of-quartz", Limit = 2, OnUnavailable = LockUnavailable.Fail)]
    internal sealed class QuartzJob : IJob;

    internal sealed class QuartzHostedService : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.CompletedTask;
    }
}
