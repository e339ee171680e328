using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using StackExchange.Redis;

namespace JobLocking.TestWorker.Chaos;

/// <summary>
/// A worker as a user would write one, which reports all that it does and observes. Commands, one a line:
/// <c>load lock expireMs limit parallel how workMs</c> (how: try, wait, acquire, cancel) requests the lock again and again until
/// <c>rest</c>; <c>hold lock expireMs limit</c> takes a lock and keeps it until <c>end lock</c>; <c>stop</c> stops the host, and
/// <c>dispose</c> disposes of it, while holders go on; <c>usage</c> reports what the process uses; the end of the input ends the process.
/// The name of a lock is percent-encoded.
/// </summary>
internal sealed class ChaosWorker(ITaskLocks locks, ExecutionReporter executions) : IDisposable
{
    private static readonly TimeSpan LongestConnect = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, CancellationTokenSource> _held = new(StringComparer.Ordinal);
    private readonly List<Task> _loops = [];
    private CancellationTokenSource _rest = new();
    private long _executions;

    public static async Task<int> RunAsync(string lockRedis, string resourceRedis, string process)
    {
        HostApplicationBuilder builder = LoggedEvents.CreateHost();
        builder.Services.AddJobLocking(o => o.NodeName = process).UseRedis(lockRedis);
        using IHost host = builder.Build();
        await using ConnectionMultiplexer resource = await ConnectionMultiplexer.ConnectAsync(resourceRedis);
        await host.StartAsync();
        ITaskLocks locks = host.Services.GetRequiredService<ITaskLocks>();
        using ChaosWorker worker = new(locks, new ExecutionReporter(process, new ProtectedCounters(resource.GetDatabase())));
        await ConnectAsync(locks);
        WorkerOutput.Report("ready");
        while (await WorkerInput.NextCommandAsync() is { } command)
        {
            if (command == "stop")
            {
                await host.StopAsync();
                WorkerOutput.Report("stopped");
            }
            else if (command == "dispose")
            {
                host.Dispose();
                WorkerOutput.Report("disposed");
            }
            else
            {
                await worker.DoAsync([.. command.Split(' ').Select(Uri.UnescapeDataString)]);
            }
        }

        return 0;
    }

    public void Dispose() => _rest.Dispose();

    /// <summary>On a busy machine this takes a while. An execution that asked earlier would find the store unavailable without a fault to blame.</summary>
    public static async Task ConnectAsync(ITaskLocks locks)
    {
        for (long began = Stopwatch.GetTimestamp(); ; await Task.Delay(20))
        {
            try
            {
                await foreach (HeldLock _ in locks.ListAsync("none"))
                {
                }

                return;
            }
            catch (TaskLockUnavailableException) when (Stopwatch.GetElapsedTime(began) < LongestConnect)
            {
                // The client keeps trying by itself.
            }
        }
    }

    private async Task DoAsync(string[] command)
    {
        switch (command)
        {
            case ["load", var name, var expire, var limit, var parallel, var how, var work]:
                for (int i = 0; i < Number(parallel); i++)
                {
                    _loops.Add(Task.Run(() => LoadAsync(name, Options(expire, limit), how, TimeSpan.FromMilliseconds(Number(work)), _rest.Token)));
                }

                break;
            case ["rest"]:
                await _rest.CancelAsync();
                await Task.WhenAll(_loops);
                _loops.Clear();
                _rest.Dispose();
                _rest = new CancellationTokenSource();
                WorkerOutput.Report("rested");
                break;
            case ["hold", var name, var expire, var limit]:
                CancellationTokenSource end = _held[name] = new CancellationTokenSource();
                _ = Task.Run(() => ExecuteAsync(name, ct => AcquireAsync(name, Options(expire, limit), ct), limit != "1", Timeout.InfiniteTimeSpan, end.Token));
                break;
            case ["end", var name]:
                await _held[name].CancelAsync();
                break;
            case ["usage"]:
                WorkerOutput.Report(ResourceUsage.Now().ToString());
                break;
            default:
                throw new ArgumentException($"Unknown: {string.Join(' ', command)}");
        }
    }

    private async Task LoadAsync(string name, TaskLockOptions options, string how, TimeSpan work, CancellationToken rest)
    {
        TaskLockOptions waiting = new() { Expire = options.Expire, Limit = options.Limit, Wait = TimeSpan.FromMilliseconds(500) };
        while (!rest.IsCancellationRequested)
        {
            using CancellationTokenSource impatient = CancellationTokenSource.CreateLinkedTokenSource(rest);
            bool got = await ExecuteAsync(
                name,
                ct =>
                {
                    switch (how)
                    {
                        case "try":
                            return locks.TryAcquireAsync(name, options, ct);
                        case "wait":
                            return locks.TryAcquireAsync(name, waiting, ct);
                        case "cancel":
                            impatient.CancelAfter(Random.Shared.Next(0, 100));
                            return AcquireAsync(name, options, impatient.Token);
                        default:
                            return AcquireAsync(name, options, ct);
                    }
                },
                options.Limit > 1,
                work * (Random.Shared.NextDouble() * 2),
                rest);
            await Task.Delay(got ? Random.Shared.Next(0, 2) : Random.Shared.Next(1, 20), CancellationToken.None);
        }
    }

    private async ValueTask<TaskLease?> AcquireAsync(string name, TaskLockOptions options, CancellationToken cancellationToken) =>
        await locks.AcquireAsync(name, options, cancellationToken);

    /// <returns>Whether it got the lock.</returns>
    private async Task<bool> ExecuteAsync(string name, Func<CancellationToken, ValueTask<TaskLease?>> ask, bool isShared, TimeSpan work, CancellationToken end)
    {
        long execution = Interlocked.Increment(ref _executions);
        TaskLease? lease;
        try
        {
            executions.Report(HistoryEventKind.Asked, execution, name);
            lease = await ask(end);
            executions.Report(lease is null ? HistoryEventKind.Contended : HistoryEventKind.Granted, execution, name, lease?.FencingToken ?? 0);
        }
        catch (TaskLockUnavailableException e)
        {
            executions.Report(HistoryEventKind.Unavailable, execution, name, detail: e.Message);
            return false;
        }
        catch (OperationCanceledException)
        {
            executions.Report(HistoryEventKind.Cancelled, execution, name);
            return false;
        }
#pragma warning disable CA1031 // Any other exception is what the checker looks for.
        catch (Exception e)
#pragma warning restore CA1031
        {
            executions.Report(HistoryEventKind.Failed, execution, name, detail: e.ToString());
            return false;
        }

        if (lease is not null)
        {
            await HoldAsync(name, lease, execution, isShared, work, end);
        }

        return lease is not null;
    }

    private async Task HoldAsync(string name, TaskLease lease, long execution, bool isShared, TimeSpan work, CancellationToken end)
    {
        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(work < TimeSpan.Zero ? end : CancellationToken.None);
        done.CancelAfter(work);
        await executions.WorkAsync(name, lease, execution, isShared, done.Token);
        executions.Report(HistoryEventKind.Releasing, execution, name, lease.FencingToken);
        await lease.DisposeAsync();
        executions.Report(HistoryEventKind.Released, execution, name, lease.FencingToken);
    }

    private static TaskLockOptions Options(string expire, string limit) => new() { Expire = TimeSpan.FromMilliseconds(Number(expire)), Limit = Number(limit) };

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
