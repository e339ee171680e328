using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Benchmarks.Micro;

/// <summary>A try on a lock that this process holds itself: no request to the store.</summary>
[MemoryDiagnoser]
public class LocalTries
{
    private ServiceProvider _services = null!;

    private ITaskLocks _locks = null!;

    [GlobalSetup]
    public async Task StartAsync()
    {
        _services = InMemory.Start();
        _locks = _services.GetRequiredService<ITaskLocks>();
        await _locks.AcquireAsync("held");
    }

    [Benchmark]
    public ValueTask<TaskLease?> Contended() => _locks.TryAcquireAsync("held");

    [GlobalCleanup]
    public ValueTask StopAsync() => _services.DisposeAsync();
}
