using System.Globalization;
using JobLocking.Stores;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Benchmarks.Sizing;

/// <summary>
/// Puts many of one thing into an empty Redis and divides by their number. Nothing here depends on the speed of the machine: with the same
/// version of Redis each run prints the same.
/// </summary>
internal sealed class SizingRun : IAsyncDisposable
{
    private const int Locks = 500;

    private const int Limit = 5;

    private const int InOneScript = 100;

    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    private readonly BenchmarkRedis _redis;

    private readonly ServiceProvider _services;

    private readonly ILockStore _store;

    private readonly List<AcquireRequest> _kept = [];

    private IAsyncDisposable? _subscription;

    /// <summary>A store without the engine, which would answer the wake-ups of waiters that it does not know.</summary>
    private SizingRun(BenchmarkRedis redis)
    {
        _redis = redis;
        _services = new ServiceCollection().AddJobLocking().UseRedis(redis.Endpoint).Services.BuildServiceProvider();
        _store = _services.GetRequiredService<ILockStore>();
    }

    public static async Task<SizingRun> StartAsync(BenchmarkRedis redis)
    {
        SizingRun run = new(redis);
        run._subscription = await run._store.SubscribeAsync(static _ => { }, CancellationToken.None);
        return run;
    }

    public async Task WriteAsync(TextWriter output, CancellationToken stop)
    {
        await output.WriteLineAsync($"Redis {_redis.Version}. Names like {NameOf(0)}. Memory is that of MEMORY USAGE.");
        await output.WriteLineAsync();
        await output.WriteLineAsync($"{"in Redis",-58} {"keys",9} {"bytes",9}");

        (double Keys, double Bytes) free = await SizeAsync("a lock that is free, and was held in the last 24 hours", Locks, i => EndAsync(Request(i)));
        (double Keys, double Bytes) held = await SizeAsync("a lock that is held", Locks, i => AskAsync(Request(i)));
        await SizeAsync($"a lock with {nameof(Limit)} = {Limit} that {Limit} hold", Locks, async i =>
        {
            for (int holder = 0; holder < Limit; holder++)
            {
                await AskAsync(Request(i) with { Limit = Limit });
            }
        });
        await SizeAsync("each waiter of a lock, besides", Locks, _ => AskAsync(Waiting(0)), before: () => AskAsync(Request(0)));
        await SizeAsync("the mark of an occurrence that was run, besides", Locks, i => EndAsync(Request(i, Occurrence(i))), less: free);
        await SizeAsync("the mark of a Hangfire job that runs, besides", Locks, i => AskAsync(Request(i, Job(i))), less: held);

        await output.WriteLineAsync();
        await output.WriteLineAsync($"{"operation",-58} {"requests",9} {"commands",9}");
        await CountAsync("acquire a lock that is free", i => AskAsync(Request(i)));
        await CountAsync("acquire a lock that is free, with an occurrence", i => AskAsync(Request(i, Occurrence(i))));
        await CountAsync("try to acquire a lock that is taken", i => AskAsync(Request(i)), before: i => AskAsync(Request(i)));
        await CountAsync("the same, and join the waiting queue", i => AskAsync(Waiting(i)), before: i => AskAsync(Request(i)));
        await CountAsync("release a lock for which no execution waits", ReleaseAsync, before: KeepAsync);
        await CountAsync("release a lock and wake the oldest waiter", ReleaseAsync, before: async i =>
        {
            await KeepAsync(i);
            await AskAsync(Waiting(i));
        });
        await CountAsync($"renew {InOneScript} leases", RenewAsync, before: KeepAsync, times: Locks / InOneScript);
        await CountAsync("a safety poll of a lock that is taken", PollAsync, before: i => AskAsync(Request(i)));

        await output.WriteLineAsync();
        await output.WriteLineAsync(
            """
            requests  sent to the server; each operation is one script
            commands  executed by the server, the script and those within it
            """);

        async Task<(double Keys, double Bytes)> SizeAsync(
            string what, int count, Func<int, Task> add, Func<Task>? before = null, (double Keys, double Bytes) less = default)
        {
            stop.ThrowIfCancellationRequested();
            await _redis.EmptyAsync();
            await (before?.Invoke() ?? Task.CompletedTask);
            (long Keys, long Bytes) empty = await _redis.UsedByKeysAsync();
            for (int i = 0; i < count; i++)
            {
                await add(i);
            }

            (long Keys, long Bytes) full = await _redis.UsedByKeysAsync();
            (double Keys, double Bytes) each = ((double)(full.Keys - empty.Keys) / count, (double)(full.Bytes - empty.Bytes) / count);
            await WriteRowAsync(what, each.Keys - less.Keys, each.Bytes - less.Bytes);
            return each;
        }

        async Task CountAsync(string what, Func<int, Task> operation, Func<int, Task>? before = null, int times = Locks)
        {
            stop.ThrowIfCancellationRequested();
            await _redis.EmptyAsync();
            _kept.Clear();
            for (int i = 0; before is not null && i < Locks; i++)
            {
                await before(i);
            }

            (long requests, long commands) = ((await _redis.ScriptsAsync()).Calls, await _redis.CommandsAsync());
            for (int i = 0; i < times; i++)
            {
                await operation(i);
            }

            await WriteRowAsync(
                what,
                (double)((await _redis.ScriptsAsync()).Calls - requests) / times,
                (double)(await _redis.CommandsAsync() - commands) / times);
        }

        Task WriteRowAsync(string what, double first, double second) =>
            output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{what,-58} {first,9:0} {second,9:0}"));
    }

    public async ValueTask DisposeAsync()
    {
        await (_subscription?.DisposeAsync() ?? ValueTask.CompletedTask);
        await _services.DisposeAsync();
    }

    private static string NameOf(int index) => string.Create(CultureInfo.InvariantCulture, $"invoice:{100_000 + index}");

    private static AcquireRequest Request(int index, LockOccurrence? occurrence = null) =>
        LockRequests.Acquire(NameOf(index), Long, "worker-1", occurrence);

    private static AcquireRequest Waiting(int index) => Request(index) with { Waiter = new WaiterEntry(LockRequests.LeaseId(), Long) };

    private static LockOccurrence Occurrence(int index) =>
        new("billing.invoices", DateTimeOffset.UnixEpoch.AddMinutes(index), IsRetry: false) { Application = "billing", Trigger = "billing.invoices" };

    /// <summary>With the id and the time of creation, as the adapter of Hangfire names a job.</summary>
    private static LockOccurrence Job(int index) => LockOccurrence.OfStoredJob(
        string.Create(CultureInfo.InvariantCulture, $"{100_000 + index}-{new DateTime(2026, 1, 1).AddTicks(index).Ticks:x}"), isSecondDelivery: false);

    private async Task AskAsync(AcquireRequest request) => await _store.AcquireAsync(request, CancellationToken.None);

    private async Task KeepAsync(int index)
    {
        AcquireRequest request = Request(index);
        _kept.Add(request);
        await AskAsync(request);
    }

    private async Task ReleaseAsync(int index) => await _store.ReleaseAsync(LockRequests.Release(_kept[index]), CancellationToken.None);

    private async Task EndAsync(AcquireRequest request)
    {
        await AskAsync(request);
        OccurrenceEnd? end = request.Occurrence is { } occurrence
            ? new OccurrenceEnd(occurrence, request.Holder, OccurrenceOutcome.Succeeded, Long)
            : null;
        await _store.ReleaseAsync(LockRequests.Release(request, end: end), CancellationToken.None);
    }

    private async Task RenewAsync(int batch) => await _store.RenewAsync(
        _kept.Skip(batch * InOneScript).Take(InOneScript).Select(lease => LockRequests.Renew(lease, Long)).ToArray(),
        static _ => { },
        CancellationToken.None);

    private async Task PollAsync(int index) => await _store.PollAsync(
        new PollRequest(NameOf(index), 1, new WaiterEntry(LockRequests.LeaseId(), TimeSpan.Zero), LockRequests.Holder("worker-1")),
        CancellationToken.None);
}
