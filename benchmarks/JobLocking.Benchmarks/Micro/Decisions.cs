using BenchmarkDotNet.Attributes;
using JobLocking.Engine;
using JobLocking.Policy;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Benchmarks.Micro;

/// <summary>What the engine itself costs an execution: from its description to the end of its run, or to its skip.</summary>
[MemoryDiagnoser]
public class Decisions
{
    private ServiceProvider _services = null!;

    private LockEngine _engine = null!;

    private LockExecution _free = null!;

    private LockExecution _taken = null!;

    [GlobalSetup]
    public async Task StartAsync()
    {
        _services = InMemory.Start();
        _engine = _services.GetRequiredService<LockEngine>();
        LockPolicy policy = _services.GetRequiredService<LockPolicies>().Resolve(new TaskLockAttribute("report"), "Reports.Nightly");
        _free = Execution(policy, "free");
        _taken = Execution(policy, "taken");
        await _engine.DecideAsync(_taken, CancellationToken.None);
    }

    [Benchmark]
    public async Task<Exception?> Run()
    {
        LockDecision decision = await _engine.DecideAsync(_free, CancellationToken.None);
        return await ((LockDecision.Run)decision).EndAsync(error: null, aborted: false);
    }

    [Benchmark]
    public ValueTask<LockDecision> Skip() => _engine.DecideAsync(_taken, CancellationToken.None);

    [GlobalCleanup]
    public ValueTask StopAsync() => _services.DisposeAsync();

    private static LockExecution Execution(LockPolicy policy, string name) => new()
    {
        Policy = policy,
        Name = name,
        Scheduler = "benchmark",
        Job = "Reports.Nightly",
        Execution = "1",
        Origin = ExecutionOrigin.Recurring,
    };
}
