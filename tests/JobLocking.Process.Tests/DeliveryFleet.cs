using System.Diagnostics;
using System.Globalization;
using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using Hangfire.Storage.Monitoring;
using JobLocking.TestKit;
using JobLocking.TestWorker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using DeliveryJob = JobLocking.TestWorker.DeliveryWorker.Job;

namespace JobLocking.Process.Tests;

/// <summary>
/// Two processes on one storage, which delivers their jobs again and again while they run. Half of the jobs finish after more than three
/// invisibility timeouts; the others run until their process is killed, and finish in the other process.
/// </summary>
internal sealed class DeliveryFleet : IAsyncDisposable
{
    private const string Retried = "retried";

    private const string Deferred = "deferred";

    private const string Recurring = "recurring";

    private static readonly string[] Kinds = ["blind", "watching", Recurring, Retried, Deferred, "limit", "enqueued-critical", "critical"];

    private static readonly TimeSpan Invisibility = TimeSpan.FromSeconds(5);

    /// <summary>For what takes a lease, a few timeouts and the starts of two processes on a busy machine.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200);

    /// <summary>All fleets share the processors, and a process needs most at its start.</summary>
    private static readonly SemaphoreSlim Starts = new(1);

    private readonly DirectoryInfo _files = Directory.CreateTempSubdirectory("joblocking-deliveries-");
    private readonly List<WorkerProcess> _processes = [];
    private readonly DeliveryStorages _storages;
    private readonly bool _isDecorated;
    private readonly int _each;
    private readonly RedisServer _redis;
    private readonly PostgresServer? _postgres;
    private readonly IHost _locks;
    private readonly string _address;
    private readonly JobStorage _storage;
    private readonly BackgroundJobClient _client;

    private DeliveryFleet(DeliveryStorages storages, bool isDecorated, int each, RedisServer redis, PostgresServer? postgres, IHost locks)
    {
        (_storages, _isDecorated, _each, _redis, _postgres, _locks) = (storages, isDecorated, each, redis, postgres, locks);
        _address = storages switch
        {
            DeliveryStorages.Redis => redis.ConnectionString,
            DeliveryStorages.Sqlite => Path.Combine(_files.FullName, "jobs.db"),
            _ => $"{postgres!.ConnectionString};Maximum Pool Size=30",
        };

        // Before the processes, so that it creates the tables.
        _storage = DeliveryStorage.Create(storages, _address, Invisibility);
        _client = new BackgroundJobClient(_storage);
    }

    /// <param name="storages">Which storage.</param>
    /// <param name="isDecorated">Whether the servers have the services of <c>AddHangfireTaskLocks</c>, or <c>UseTaskLocks</c> alone.</param>
    /// <param name="each">How many jobs of each kind finish by themselves, and how many are killed.</param>
    public static async Task<IReadOnlyList<DeliveredJob>> RunAsync(DeliveryStorages storages, bool isDecorated, int each)
    {
        RedisServer redis = await RedisServer.StartAsync();
        PostgresServer? postgres = storages is DeliveryStorages.PostgreSql or DeliveryStorages.PostgreSqlSliding ? await PostgresServer.StartAsync() : null;
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddJobLocking().UseRedis(redis.ConnectionString);
        await using DeliveryFleet fleet = new(storages, isDecorated, each, redis, postgres, builder.Build());
        return await fleet.RunAsync();
    }

    private async Task<IReadOnlyList<DeliveredJob>> RunAsync()
    {
        WorkerProcess doomed = await StartAsync();
        DeliveredJob[] dying = await CreateAsync("dies");
        WorkerProcess survivor = await StartAsync();
        DeliveredJob[] staying = await CreateAsync("stays");
        long began = Stopwatch.GetTimestamp();

        await SeesAsync(() => Stopwatch.GetElapsedTime(began) > 3 * Invisibility, "three invisibility timeouts pass");
        if (_storages != DeliveryStorages.PostgreSqlSliding)
        {
            await AllAsync([.. dying, .. staying], "is delivered a second time", job => Count($"delivered again {job.Id}") > 0);
        }

        await FinishAsync(staying);
        await doomed.KillAsync();
        await AllAsync(dying, "runs again", job => Count($"begin {job.Name}") > 1);
        await FinishAsync(dying);
        await NothingIsLeftAsync();
        return [.. staying.Concat(dying).Select(Judged)];

        async Task FinishAsync(DeliveredJob[] jobs)
        {
            foreach (WorkerProcess process in _processes.Where(p => !p.WasKilled))
            {
                Array.ForEach(jobs, job => process.Tell($"finish {job.Name}"));
            }

            await AllAsync(jobs, "has succeeded", job => History(job)[0].StateName == SucceededState.StateName);
        }
    }

    /// <summary>A process has workers for all jobs, and for those that are delivered again meanwhile.</summary>
    private async Task<WorkerProcess> StartAsync()
    {
        string workers = ((2 * _each * Kinds.Length) + 4).ToString(CultureInfo.InvariantCulture);
        string invisibility = Invisibility.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        await Starts.WaitAsync();
        try
        {
            WorkerProcess process = await WorkerProcess.StartAsync(
                "delivery", _redis.ConnectionString, $"{_storages}", _address, invisibility, workers, _isDecorated ? "decorated" : "plain");
            _processes.Add(process);
            return process;
        }
        finally
        {
            Starts.Release();
        }
    }

    /// <summary>Creates jobs of each kind, and returns them when all of them run.</summary>
    private async Task<DeliveredJob[]> CreateAsync(string fate)
    {
        DeliveredJob[] jobs = await Task.WhenAll(Kinds.SelectMany(kind => Enumerable.Range(0, _each).Select(i => CreateAsync(kind, fate, i))));
        await AllAsync(jobs, "runs", job => Count($"begin {job.Name}") > 0);
        return [.. jobs.Select(job => job with { RowsAtBegin = ProcessingRows(job) })];
    }

    private async Task<DeliveredJob> CreateAsync(string kind, string fate, int number)
    {
        string name = $"{kind}-{fate}-{number}";
        bool watches = kind == "watching" || (kind != "blind" && (number + (fate == "stays" ? 1 : 0)) % 2 == 1);
        TaskLease? lease = kind == Deferred ? await _locks.Services.GetRequiredService<ITaskLocks>().TryAcquireAsync($"delivery:{name}") : null;
        string id = kind switch
        {
            Recurring => Trigger(name, watches),
            Retried => _client.Enqueue<DeliveryJob>(j => j.RunAtTheSecondAttempt(name, watches, null!, CancellationToken.None)),
            "limit" => _client.Enqueue<DeliveryJob>(j => j.RunBesideOthers(name, watches, CancellationToken.None)),
            "enqueued-critical" => _client.Enqueue<DeliveryJob>("critical", j => j.Run(name, watches, CancellationToken.None)),
            "critical" => _client.Enqueue<DeliveryJob>(j => j.RunInCritical(name, watches, CancellationToken.None)),
            _ => _client.Enqueue<DeliveryJob>(j => j.Run(name, watches, CancellationToken.None)),
        };

        // SQLite may deliver a job to two workers at once, so two may take it over. One of them runs it.
        DeliveredJob job = new(kind, name, id, Dies: fate == "dies", DeliversAtOnce: _storages == DeliveryStorages.Sqlite, IsHistoryKept: _isDecorated);
        if (lease is not null)
        {
            await AllAsync([job], "is deferred", _ => History(job)[0].StateName == ScheduledState.StateName);
            await lease.DisposeAsync();
        }

        return job;
    }

    private string Trigger(string name, bool watches)
    {
        RecurringJobManager recurring = new(_storage);
        recurring.AddOrUpdate<DeliveryJob>(name, j => j.Run(name, watches, CancellationToken.None), Cron.Yearly());
        return recurring.TriggerJob(name);
    }

    /// <summary>
    /// Waits until the storage has nothing left that it could deliver. What comes back later is made to come now, because it must not run
    /// either.
    /// </summary>
    private Task NothingIsLeftAsync() => SeesAsync(
        () =>
        {
            using var connection = (JobStorageConnection)_storage.GetConnection();
            HashSet<string> postponed = connection.GetAllItemsFromSet("schedule");
            if (postponed.Count > 0)
            {
                using IWriteOnlyTransaction transaction = connection.CreateWriteTransaction();
                foreach (string entry in postponed)
                {
                    transaction.AddToSet("schedule", entry, JobHelper.ToTimestamp(DateTime.UtcNow));
                }

                transaction.Commit();
                return false;
            }

            IMonitoringApi jobs = _storage.GetMonitoringApi();
            return Array.TrueForAll(["default", "critical"], queue => jobs.EnqueuedCount(queue) == 0 && jobs.FetchedCount(queue) == 0);
        },
        "nothing is left in the queues and in the schedule");

    private DeliveredJob Judged(DeliveredJob job) => job with
    {
        Begun = Count($"begin {job.Name}"),
        Cancelled = Count($"cancelled {job.Name}"),
        Ended = Count($"end {job.Name}"),
        State = History(job)[0].StateName,
        FurtherRows = ProcessingRows(job) - job.RowsAtBegin,
        EarlyDeliveries = History(job).Count(row => row.Reason == "Its first run is alive"),
        Story = StoryOf(job),
    };

    private string StoryOf(DeliveredJob job) => string.Join('\n', (string[])
    [
        .. History(job).Reverse().Select(row => $"{row.CreatedAt:HH:mm:ss.fff} {row.StateName} {row.Reason}"),
        .. _processes.SelectMany((process, i) => process.Facts.Where(fact => Tells(fact, job)).Select(fact => $"process {i + 1}: {fact}")),
    ]);

    private static bool Tells(string fact, DeliveredJob job) =>
        fact.EndsWith(job.Name, StringComparison.Ordinal) || fact.EndsWith($" {job.Id}", StringComparison.Ordinal) || fact.Contains($"#{job.Id} ", StringComparison.Ordinal);

    private int Count(string fact) => _processes.Sum(process => process.Facts.Count(said => said == fact));

    private IList<StateHistoryDto> History(DeliveredJob job) => _storage.GetMonitoringApi().JobDetails(job.Id).History;

    private int ProcessingRows(DeliveredJob job) => History(job).Count(row => row.StateName == ProcessingState.StateName);

    private async Task AllAsync(DeliveredJob[] jobs, string what, Func<DeliveredJob, bool> expected)
    {
        try
        {
            await SeesAsync(() => string.Join(", ", Missing().Select(job => job.Name)), missing => missing.Length == 0, $"each job {what}");
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException(string.Join('\n', [e.Message, .. Missing().Select(StoryOf)]), e);
        }

        IEnumerable<DeliveredJob> Missing() => jobs.Where(job => !expected(job));
    }

    private async Task SeesAsync(Func<bool> expected, string what) => await SeesAsync(expected, seen => seen, what);

    private Task<T> SeesAsync<T>(Func<T> look, Func<T, bool> expected, string what) => Eventually.SeesAsync(
        async () =>
        {
            // Each look is many queries, and the processes need the processors.
            await Task.Delay(Pace);
            return look();
        },
        expected,
        Patience,
        $"{what} on {_storages}, decorated: {_isDecorated}");

    public async ValueTask DisposeAsync()
    {
        foreach (WorkerProcess process in _processes)
        {
            await process.DisposeAsync();
        }

        (_storage as IDisposable)?.Dispose();
        _locks.Dispose();
        await _redis.DisposeAsync();
        await (_postgres?.DisposeAsync() ?? ValueTask.CompletedTask);
        _files.Delete(recursive: true);
    }
}

/// <summary>What became of a job that was delivered again while it ran.</summary>
/// <param name="Kind">How the job came to run.</param>
/// <param name="Name">Its argument.</param>
/// <param name="Id">Its id in Hangfire.</param>
/// <param name="Dies">Whether the process of its first run was killed.</param>
/// <param name="DeliversAtOnce">
/// Whether the storage may deliver the job to two workers at the same moment. Hangfire then writes Processing for both, and cancels a first
/// run that watches its token; the job then begins again.
/// </param>
/// <param name="IsHistoryKept">Whether a delivery that does not run the job leaves no trace in its history.</param>
internal sealed record DeliveredJob(string Kind, string Name, string Id, bool Dies, bool DeliversAtOnce, bool IsHistoryKept)
{
    public int RowsAtBegin { get; init; }

    public int Begun { get; init; }

    /// <summary>The runs that Hangfire cancelled.</summary>
    public int Cancelled { get; init; }

    public int Ended { get; init; }

    public string State { get; init; } = "";

    /// <summary>The rows of Processing that its history has got since its first run began.</summary>
    public int FurtherRows { get; init; }

    /// <summary>
    /// The deliveries that came before the first run had its lease. Such a delivery takes the job over, and puts the state of the first run
    /// back: two rows.
    /// </summary>
    public int EarlyDeliveries { get; init; }

    /// <summary>Its history, and what the processes reported of it.</summary>
    public string Story { get; init; } = "";

    public bool IsRight =>
        (Begun, Ended, State) == ((Dies ? 2 : 1) + (DeliversAtOnce ? Cancelled : 0), 1, SucceededState.StateName) &&
        (DeliversAtOnce || !IsHistoryKept || (FurtherRows - (Dies ? 1 : 0) is var surplus && surplus >= 0 && surplus <= 2 * EarlyDeliveries));
}
