using StackExchange.Redis;

namespace JobLocking.Redis.Connections;

/// <summary>
/// The connection, made when it is first wanted, once for all who want it. A Redis that is down gives a connection all the
/// same, which goes on trying; only a faulty factory has to be called again.
/// </summary>
internal sealed class RedisConnection(RedisLockOptions options) : IAsyncDisposable
{
    private readonly Lock _gate = new();

    private Task<IConnectionMultiplexer>? _connecting;

    private bool _disposed;

    public Task<IConnectionMultiplexer> GetAsync(CancellationToken cancellationToken)
    {
        Task<IConnectionMultiplexer>? connecting = _connecting;
        return connecting is { IsCompletedSuccessfully: true } ? connecting : ConnectOnceAsync().WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        Task<IConnectionMultiplexer>? connecting;
        lock (_gate)
        {
            _disposed = true;
            connecting = _connecting;
            _connecting = null;
        }

        if (connecting is null || options.ConnectionMultiplexerFactory is not null)
        {
            return;
        }

        if (connecting.IsCompleted)
        {
            await CloseAsync(connecting).ConfigureAwait(false);
        }
        else
        {
            // A Redis that is down must not keep the host from stopping either.
            _ = CloseAsync(connecting);
        }
    }

    private static async Task CloseAsync(Task<IConnectionMultiplexer> connecting)
    {
        try
        {
            await (await connecting.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whoever wanted it has been told why it never came to be; or it is gone already.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private Task<IConnectionMultiplexer> ConnectOnceAsync()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_connecting is null or { IsFaulted: true } or { IsCanceled: true })
            {
                // Else all who wait would go on one after the other: a job that blocks its thread would keep the others from the
                // connection, and the process from its notices, until it is done.
                TaskCompletionSource<IConnectionMultiplexer> connecting = new(TaskCreationOptions.RunContinuationsAsynchronously);

                // Else the connection would live for ever in the context of the first job: with its ambient lease, in its trace.
                using (ExecutionContext.SuppressFlow())
                {
                    _ = Task.Run(ConnectAsync).ContinueWith(
                        connecting.SetFromTask, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                }

                // Whoever gave up waiting does not look at what became of it.
                _connecting = RedisFault.Observed(connecting.Task);
            }

            return _connecting;
        }
    }

    private async Task<IConnectionMultiplexer> ConnectAsync()
    {
        if (options.ConnectionMultiplexerFactory is { } factory)
        {
            return await factory().ConfigureAwait(false);
        }

        ConfigurationOptions configuration = options.ConfigurationOptions?.Clone() ?? ConfigurationOptions.Parse(options.Configuration!);

        // The callers wait for the first try only; the connection goes on trying behind them.
        configuration.AbortOnConnectFail = false;
        configuration.ConnectRetry = 1;
        DedicatedThreads.UseFor(configuration);
        return await ConnectionMultiplexer.ConnectAsync(configuration).ConfigureAwait(false);
    }
}
