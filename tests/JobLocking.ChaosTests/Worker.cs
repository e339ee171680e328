using System.Globalization;
using JobLocking.ChaosTests.Network;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests;

/// <summary>A worker process in the lab: the commands that it gets, and the faults that affect it.</summary>
internal sealed class Worker(Lab lab, string name, WorkerProcess process, FaultProxy link) : IAsyncDisposable
{
    public string Name => name;

    /// <summary>Not to be killed at random, because its resource usage is measured from beginning to end.</summary>
    public bool IsSpared { get; init; }

    public WorkerProcess Process => process;

    /// <summary>Between the worker and the Redis of its locks. Faults that are made here are reported with <see cref="Cut"/>.</summary>
    public FaultProxy Link => link;

    /// <summary>Requests a lock again and again, with several requests in parallel, until it rests.</summary>
    /// <param name="lock">The lock.</param>
    /// <param name="expire">The expiry of its leases.</param>
    /// <param name="how"><c>try</c>, <c>wait</c>, <c>acquire</c> or <c>cancel</c>: see the worker.</param>
    /// <param name="parallel">How many requests in parallel.</param>
    /// <param name="limit">The limit of the lock.</param>
    /// <param name="work">How long the lock is held, on average.</param>
    public void Load(string @lock, TimeSpan? expire = null, string how = "acquire", int parallel = 1, int limit = 1, TimeSpan? work = null)
    {
        TimeSpan expiry = expire ?? Lab.Expiry;
        lab.Uses(@lock, expiry, limit);
        process.Tell(string.Create(CultureInfo.InvariantCulture, $"load {Uri.EscapeDataString(@lock)} {expiry.TotalMilliseconds} {limit} {parallel} {how} {(work ?? TimeSpan.FromMilliseconds(20)).TotalMilliseconds}"));
    }

    /// <summary>Takes a lock and works under it until <see cref="End"/> or until it has lost it. Returns when it has the lock.</summary>
    public async Task<HistoryEvent> HoldAsync(string @lock, TimeSpan? expire = null, int limit = 1)
    {
        long before = Lab.Now;
        Hold(@lock, expire, limit);
        return await GetsAsync(@lock, before);
    }

    /// <summary>Requests a lock as <see cref="HoldAsync"/> does, and returns at once: the worker waits until it has the lock.</summary>
    public void Hold(string @lock, TimeSpan? expire = null, int limit = 1)
    {
        TimeSpan expiry = expire ?? Lab.Expiry;
        lab.Uses(@lock, expiry, limit);
        process.Tell(string.Create(CultureInfo.InvariantCulture, $"hold {Uri.EscapeDataString(@lock)} {expiry.TotalMilliseconds} {limit}"));
    }

    /// <summary>Waits until it has been granted a lock after a given moment.</summary>
    public async Task<HistoryEvent> GetsAsync(string @lock, long since = 0) =>
        (await lab.SeesAsync(HistoryEventKind.Granted, name, @lock: @lock, since: since))[0];

    public void End(string @lock) => process.Tell($"end {Uri.EscapeDataString(@lock)}");

    /// <summary>Stops its host, and returns when that has stopped. Holders continue.</summary>
    public async Task StopAsync()
    {
        process.Tell("stop");
        await process.SaysAsync("stopped");
    }

    /// <summary>Disposes of its host, and with it of its connection. Holders continue.</summary>
    public async Task DisposeHostAsync()
    {
        process.Tell("dispose");
        await process.SaysAsync("disposed");
    }

    /// <summary>Stops requesting locks, and waits until all its executions have ended.</summary>
    public async Task RestAsync()
    {
        int before = process.Count("rested");
        process.Tell("rest");
        await Eventually.SeesAsync(() => process.Count("rested"), rested => rested > before, TimeSpan.FromSeconds(60), $"{name} rests");
    }

    public void Freeze()
    {
        lab.Began("frozen", name);
        process.Freeze();
    }

    public void Thaw()
    {
        process.Thaw();
        lab.Ended("frozen", name);
    }

    public Task KillAsync()
    {
        lab.Began("killed", name);
        return process.KillAsync();
    }

    /// <summary>Makes a fault in the link, which <see cref="Mend"/> ends.</summary>
    public void Cut(string fault, Action<FaultProxy> make)
    {
        lab.Began(fault, name);
        make(link);
    }

    public void Mend(string fault)
    {
        link.Mend();
        lab.Ended(fault, name);
    }

    /// <summary>What the process uses, after a garbage collection.</summary>
    public async Task<ResourceUsage> UsageAsync()
    {
        int before = process.Count("usage");
        process.Tell("usage");
        await Eventually.SeesAsync(() => process.Count("usage"), count => count > before, TimeSpan.FromSeconds(60), $"{name} accounts");
        return ResourceUsage.Parse(process.Facts.Last(f => f.StartsWith("usage", StringComparison.Ordinal)));
    }

    public async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        await link.DisposeAsync();
    }
}
