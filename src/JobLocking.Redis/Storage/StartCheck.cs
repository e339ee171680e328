using JobLocking.Redis.Checks;
using JobLocking.Stores;
using Microsoft.Extensions.Hosting;

namespace JobLocking.Redis.Storage;

/// <summary>Stops the host if the application provides a connection that must not be used for locks.</summary>
internal sealed class StartCheck(ILockStore store, TimeProvider? time = null) : IHostedLifecycleService
{
    /// <summary>Before any scheduler starts.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (store is not RedisLockStore redis)
        {
            return;
        }

        try
        {
            await redis.ConnectForeignAsync(cancellationToken)
                .WaitAsync(CheckTimes.LongestForeignConnect, time ?? TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // The host starts while Redis is down. The check of the store reports whatever else is wrong.
        catch (Exception error) when (error is not (TaskLockException or OperationCanceledException))
#pragma warning restore CA1031
        {
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
