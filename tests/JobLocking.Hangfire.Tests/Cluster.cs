using System.Linq.Expressions;
using System.Text.Json;
using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>Hangfire servers, each in a host with an engine of its own, on one Hangfire storage and one Redis.</summary>
public sealed class Cluster(string redis, JobStorage storage) : IAsyncDisposable
{
    private readonly string _prefix = $"{Guid.NewGuid():N}:";

    private readonly List<Node> _nodes = [];

    public JobStorage Storage { get; } = storage;

    public IBackgroundJobClient Client { get; } = new BackgroundJobClient(storage);

    public RecurringJobManager Recurring { get; } = new(storage);

    public JobProbes Probes { get; } = new();

    /// <summary>The nodes poll no lock: a deferred job that runs was woken by a wake-up.</summary>
    public bool IsBlind { get; init; }

    /// <summary>The nodes call <c>AddHangfireServer</c> and <c>AddHangfireTaskLocks</c>; otherwise they create their servers by hand.</summary>
    public bool HasTaskLockServices { get; init; }

    public bool KeepsSkippedJobs { get; set; } = true;

    /// <summary>How long the client library waits for an answer, in milliseconds.</summary>
    public int AsyncTimeout { get; init; } = 1000;

    public async Task<Node> StartAsync(
        string name,
        Action<JobLockingOptions>? configure = null,
        Action<BackgroundJobServerOptions>? server = null,
        Func<IJobFilterProvider, IServiceProvider, IJobFilterProvider>? filters = null)
    {
        Node node = await Node.StartAsync(
            name,
            this,
            configure,
            (options, services) =>
            {
                server?.Invoke(options);
                options.FilterProvider = filters?.Invoke(options.FilterProvider, services) ?? options.FilterProvider;
            });
        _nodes.Add(node);
        return node;
    }

    public IReadOnlyList<Node> Nodes => _nodes;

    /// <summary>The data of the present state of a job.</summary>
    public IDictionary<string, string> StateData(string job)
    {
        using IStorageConnection connection = Storage.GetConnection();
        return connection.GetStateData(job).Data;
    }

    public void AddLocks(IServiceCollection services, Action<JobLockingOptions>? configure) => services.AddJobLocking(configure).UseRedis(o =>
    {
        o.Configuration = $"{redis},connectTimeout=1000,asyncTimeout={AsyncTimeout}";
        o.KeyPrefix = _prefix;
    });

    public void AddRecurring<T>(string recurringJobId, Expression<Func<T, Task>> job) => Recurring.AddOrUpdate(recurringJobId, job, Cron.Yearly());

    /// <summary>The key of a lock in Redis.</summary>
    public string KeyOf(string name) => $"{_prefix}{name}";

    /// <summary>Creates the next job of a recurring one, as its schedule would.</summary>
    public string Fire(string recurringJobId) => Recurring.TriggerJob(recurringJobId) ?? throw new InvalidOperationException($"No recurring job {recurringJobId}.");

    /// <summary>Has the storage deliver a job, whatever its state is.</summary>
    public void Deliver(string job, string queue = EnqueuedState.DefaultQueue)
    {
        using IStorageConnection connection = Storage.GetConnection();
        using IWriteOnlyTransaction transaction = connection.CreateWriteTransaction();
        transaction.AddToQueue(queue, job);
        transaction.Commit();
    }

    /// <summary>Whether a second delivery of a job of the default queue is postponed.</summary>
    public bool IsPostponed(string job) => Scheduled().Contains($"{EnqueuedState.DefaultQueue}:{job}");

    /// <summary>The entries of Hangfire's schedule.</summary>
    public HashSet<string> Scheduled()
    {
        using IStorageConnection connection = Storage.GetConnection();
        return connection.GetAllItemsFromSet("schedule");
    }

    /// <summary>When the only entry of the schedule that is due in the next days is due, to the second.</summary>
    public DateTime DueAt(string entry)
    {
        using IStorageConnection connection = Storage.GetConnection();
        double from = JobHelper.ToTimestamp(DateTime.UtcNow);
        double to = from + TimeSpan.FromDays(2).TotalSeconds;
        Assert.Equal(entry, connection.GetFirstByLowestScoreFromSet("schedule", from, to));
        while (to - from > 0.5)
        {
            double middle = (from + to) / 2;
            (from, to) = connection.GetFirstByLowestScoreFromSet("schedule", from, middle) == entry ? (from, middle) : (middle, to);
        }

        return JobHelper.FromTimestamp((long)Math.Round(to));
    }

    public void Unschedule(string entry)
    {
        using IStorageConnection connection = Storage.GetConnection();
        using IWriteOnlyTransaction transaction = connection.CreateWriteTransaction();
        transaction.RemoveFromSet("schedule", entry);
        transaction.Commit();
    }

    /// <summary>All states that the job has had, newest first.</summary>
    public IReadOnlyList<JobState> History(string job) =>
        [.. Storage.GetMonitoringApi().JobDetails(job).History.Select(h => new JobState(h.StateName, h.Reason ?? "", h.Data))];

    public string? Parameter(string job, string name)
    {
        using IStorageConnection connection = Storage.GetConnection();
        return connection.GetJobParameter(job, name);
    }

    public Task<JobState> SeesAsync(string job, string state, string reason = "") => Eventually.SeesAsync(
        () => History(job)[0],
        newest => newest.Name == state && newest.Reason.StartsWith(reason, StringComparison.Ordinal),
        fact: $"job {job} is {state}, {reason}");

    /// <summary>What the job has stored for its next attempt.</summary>
    internal AttemptRecord Record(string job) => JsonSerializer.Deserialize<AttemptRecord>(Parameter(job, AttemptRecord.Parameter)!)!;

    public Task<JobState> IsDeferredAsync(string job, int times = 1) => SeesAsync(job, ScheduledState.StateName, $"Deferred ({times}): ");

    public Task<JobState> SucceedsAsync(string job) => SeesAsync(job, SucceededState.StateName);

    public async ValueTask DisposeAsync()
    {
        foreach (Node node in _nodes)
        {
            await node.DisposeAsync();
        }

        (Storage as IDisposable)?.Dispose();
    }
}

public sealed record JobState(string Name, string Reason, IDictionary<string, string> Data)
{
    public override string ToString() => $"{Name}: {Reason} {string.Join(", ", Data.Select(d => $"{d.Key}={d.Value}"))}";
}
