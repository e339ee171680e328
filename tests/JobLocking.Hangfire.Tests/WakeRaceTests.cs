using Hangfire;
using Hangfire.Common;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.Engine;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>
/// A wake-up at the very moment at which something else happens to the deferred job. No worker fetches from the queues here: the tests look
/// at what is in them.
/// </summary>
public sealed class WakeRaceTests(SharedRedis redis) : IDisposable
{
    /// <summary>On PostgreSQL, each meeting of the two costs a second, and so does each job that the scheduler then still has to move.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly ServiceProvider _services = Services();

    /// <summary>A few on PostgreSQL: there, what meets the lock of a job sleeps for a second.</summary>
    public static TheoryData<Storages, int> Tries => new()
    {
        { Storages.InMemory, 6000 },
        { Storages.Redis, 100 },
        { Storages.PostgreSql, 5 },
        { Storages.Sqlite, 50 },
    };

    /// <summary>
    /// Not SQLite, which writes the rows of a transaction one after the other: the scheduler may see a job between two of them, and move it
    /// into its queue. A job that is in its queue twice is what <see cref="SecondDeliveryTests"/> are about.
    /// </summary>
    public static TheoryData<Storages, int> TriesInTransactions => [.. Tries.Where(row => row.Data.Item1 != Storages.Sqlite)];

    public void Dispose() => _services.Dispose();

    [Theory]
    [MemberData(nameof(Tries))]
    public async Task Two_wake_ups_and_the_end_of_the_delay_enqueue_the_job_once(Storages storages, int tries)
    {
        Waiting waiting = new(redis.NewStorage(storages), _services);
        for (int i = 1; i <= tries; i++)
        {
            (string job, StoredDeferral deferral) = waiting.Create();

            bool[] enqueued = await TogetherAsync(
                () => waiting.Wake(deferral),
                () => waiting.Client.ChangeState(job, new EnqueuedState(), ScheduledState.StateName),
                () => waiting.Wake(deferral));

            Assert.Single(enqueued, true);
            Assert.Equal(i, waiting.Enqueued());
        }
    }

    [Theory]
    [MemberData(nameof(Tries))]
    public async Task A_job_that_a_user_reschedules_at_the_moment_of_its_wake_up_is_either_woken_or_rescheduled(Storages storages, int tries)
    {
        Waiting waiting = new(redis.NewStorage(storages), _services);
        int woken = 0;
        for (int i = 0; i < tries; i++)
        {
            (string job, StoredDeferral deferral) = waiting.Create();

            // If a user reschedules a job that has just been woken, its state changes all the same; then it is also in the queue, as always
            // with Hangfire.
            bool[] changed = await TogetherAsync(
                () => waiting.Wake(deferral),
                () => waiting.Client.ChangeState(job, new ScheduledState(TimeSpan.FromDays(1)), ScheduledState.StateName));

            woken += changed[0] ? 1 : 0;
            Assert.Equal(woken, waiting.Enqueued());
            Assert.Equal(changed[0] && !changed[1] ? "Enqueued" : "Scheduled", waiting.State(job));
        }
    }

    [Theory]
    [MemberData(nameof(TriesInTransactions))]
    public async Task A_job_with_a_queue_of_its_own_that_is_due_at_the_moment_of_its_wake_up_is_delivered_once(Storages storages, int tries)
    {
        Waiting waiting = new(redis.NewStorage(storages), _services);
        int created = 0;
        int woken = 0;
        using (BackgroundJobServer scheduler = new(new BackgroundJobServerOptions { Queues = ["unused"], WorkerCount = 1, SchedulePollingInterval = TimeSpan.FromMilliseconds(1) }, waiting.Storage))
        {
            // The scheduler may need a while to begin, and it is no race if one side always wins.
            await Eventually.IsTrueAsync(HaveBothWon, Patience);
            await Eventually.IsTrueAsync(() => waiting.Scheduled() == 0 && waiting.Enqueued("critical") >= created, Patience);
        }

        Assert.Equal(created, waiting.Enqueued("critical"));

        bool HaveBothWon()
        {
            for (int i = 0; i < tries; i++)
            {
                (_, StoredDeferral deferral) = waiting.Create("critical", TimeSpan.Zero);
                created++;
                woken += waiting.Wake(deferral) ? 1 : 0;
            }

            return woken > 0 && woken < created;
        }
    }

    private static async Task<bool[]> TogetherAsync(params Func<bool>[] acts)
    {
        using Barrier start = new(acts.Length);
        return await Task.WhenAll(acts.Select(act => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                return act();
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default)));
    }

    private static ServiceProvider Services()
    {
        ServiceCollection services = new();
        services.AddJobLocking().UseInMemory();
        return services.BuildServiceProvider();
    }

    /// <summary>Jobs that wait for their lock, in a storage without workers.</summary>
    private sealed class Waiting(JobStorage storage, IServiceProvider services)
    {
        private readonly StateMachine _filters =
            new(new JobFilterProviderCollection(JobFilterProviders.Providers, new JobFilterCollection { TaskLockFilter.Create(services) }));

        public JobStorage Storage => storage;

        public BackgroundJobClient Client { get; } = new(storage);

        public bool Wake(StoredDeferral deferral) => deferral.Wake(storage, _filters);

        public (string Job, StoredDeferral Deferral) Create(string? queue = null, TimeSpan? delay = null)
        {
            Job job = new(typeof(Patient), typeof(Patient).GetMethod(nameof(Patient.Run))!, ["x", "raced", CancellationToken.None], queue);
            AttemptRecord record = new() { Begun = true, State = DeferralState.Parse($"1;1;1;0;0:{Guid.NewGuid():N}") };
            string id = Client.Create(job, new DeferredState(delay ?? TimeSpan.FromHours(1), new StoredDeferral("", record, "work:x")));
            return (id, new StoredDeferral(id, record, "work:x"));
        }

        public long Enqueued(string queue = "default") => storage.GetMonitoringApi().EnqueuedCount(queue);

        public long Scheduled()
        {
            using var connection = (JobStorageConnection)storage.GetConnection();
            return connection.GetSetCount("schedule");
        }

        public string State(string job)
        {
            using IStorageConnection connection = storage.GetConnection();
            return connection.GetJobData(job).State;
        }
    }
}
