using Hangfire;
using Hangfire.Common;
using Hangfire.InMemory;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>A wake in the very moment in which something else becomes of the deferred job. Nobody fetches from the queues here: what is in them counts.</summary>
public sealed class WakeRaceTests : IDisposable
{
    private readonly ServiceProvider _services;

    private readonly StateMachine _filters;

    private readonly InMemoryStorage _storage = new();

    private readonly BackgroundJobClient _client;

    public WakeRaceTests()
    {
        ServiceCollection services = new();
        services.AddJobLocking().UseInMemory();
        _services = services.BuildServiceProvider();
        _filters = new StateMachine(new JobFilterProviderCollection(JobFilterProviders.Providers, new JobFilterCollection { TaskLockFilter.Create(_services) }));
        _client = new BackgroundJobClient(_storage);
    }

    private long Enqueued(string queue = "default") => _storage.GetMonitoringApi().EnqueuedCount(queue);

    public void Dispose()
    {
        _storage.Dispose();
        _services.Dispose();
    }

    [Fact]
    public async Task Of_two_wakes_and_the_end_of_the_delay_one_enqueues_the_job()
    {
        for (int i = 1; i <= 2000; i++)
        {
            (string job, Deferral deferral) = Create(Job.FromExpression<Patient>(p => p.Run("x", "raced", CancellationToken.None)));

            bool[] enqueued = await TogetherAsync(
                () => deferral.Wake(_storage, _filters),
                () => _client.ChangeState(job, new EnqueuedState(), ScheduledState.StateName),
                () => deferral.Wake(_storage, _filters));

            Assert.Single(enqueued, true);
            Assert.Equal(i, Enqueued());
        }
    }

    [Fact]
    public async Task A_job_that_somebody_reschedules_in_the_moment_of_its_wake_is_either_woken_or_rescheduled()
    {
        int woken = 0;
        for (int i = 0; i < 1000; i++)
        {
            (string job, Deferral deferral) = Create(Job.FromExpression<Patient>(p => p.Run("x", "raced", CancellationToken.None)));

            // A user who reschedules what has just been woken changes its state all the same; then it is in the queue, too, as always with Hangfire.
            bool[] changed = await TogetherAsync(
                () => deferral.Wake(_storage, _filters),
                () => _client.ChangeState(job, new ScheduledState(TimeSpan.FromDays(1)), ScheduledState.StateName));

            woken += changed[0] ? 1 : 0;
            Assert.Equal(woken, Enqueued());
            Assert.Equal(changed[0] && !changed[1] ? "Enqueued" : "Scheduled", State(job));
        }
    }

    [Fact]
    public async Task A_job_with_a_queue_of_its_own_that_is_due_in_the_moment_of_its_wake_is_delivered_once()
    {
        const int Jobs = 500;
        int woken = 0;
        using (BackgroundJobServer scheduler = new(new BackgroundJobServerOptions { Queues = ["unused"], WorkerCount = 1, SchedulePollingInterval = TimeSpan.FromMilliseconds(1) }, _storage))
        {
            for (int i = 0; i < Jobs; i++)
            {
                (_, Deferral deferral) = Create(new Job(typeof(Patient), typeof(Patient).GetMethod(nameof(Patient.Run))!, ["x", "raced", CancellationToken.None], "critical"), TimeSpan.Zero);
                woken += await Task.Run(() => deferral.Wake(_storage, _filters)) ? 1 : 0;
            }

            await Eventually.IsTrueAsync(() => Scheduled() == 0 && Enqueued("critical") >= Jobs);
        }

        Assert.Equal(Jobs, Enqueued("critical"));
        Assert.InRange(woken, 1, Jobs - 1);
    }

    private (string Job, Deferral Deferral) Create(Job job, TimeSpan? delay = null)
    {
        AttemptRecord record = new() { Begun = true, Deferrals = 1, DeferralsUnwoken = 1, Ticket = $"0:{Guid.NewGuid():N}" };
        string id = _client.Create(job, new DeferredState(delay ?? TimeSpan.FromHours(1), new Deferral("", null, record, "work:x")));
        return (id, new Deferral(id, job.Queue, record, "work:x"));
    }

    private long Scheduled()
    {
        using var connection = (JobStorageConnection)_storage.GetConnection();
        return connection.GetSetCount("schedule");
    }

    private string State(string job)
    {
        using var connection = _storage.GetConnection();
        return connection.GetJobData(job).State;
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
}
