using System.Reflection;
using System.Runtime.CompilerServices;
using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.TestKit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Testing;
using NSubstitute;
using Xunit;

namespace JobLocking.Hangfire.Tests;

/// <summary>Cases that a test cannot provoke with a real server.</summary>
public sealed class FilterTests : IDisposable
{
    private const string Parameter = "JobLocking.Attempt";

    private static readonly DeferralState State = DeferralState.Parse("1;2;2;0;0:waiter")!;

    private readonly FakeLogger _logs = new();

    private readonly ServiceProvider _services;

    private readonly TaskLockFilter _filter;

    private readonly Installations _installations;

    private readonly IStorageConnection _connection = Substitute.For<IStorageConnection>();

    private readonly JobStorage _storage = Substitute.For<JobStorage>();

    private readonly BackgroundJob _job = new("17", Job.FromExpression<Work>(w => w.Brief("x")), DateTime.UnixEpoch);

    private readonly BackgroundJob _skipped = new("17", Job.FromExpression<Work>(w => w.Skip("x", "skipped", CancellationToken.None)), DateTime.UnixEpoch);

    public FilterTests()
    {
        _connection.GetJobParameter("17", Arg.Any<string>()).Returns((string?)null);
        ServiceCollection services = new();
        services.AddJobLocking().UseInMemory();
        _services = services.BuildServiceProvider();
        _installations = new Installations(_services.GetRequiredService<LockEngine>());
        _filter = NewFilter(_services);
    }

    public void Dispose() => _services.Dispose();

    [Fact]
    public async Task A_job_that_a_later_filter_cancels_gives_its_lock_back_at_once_whatever_its_minimum_hold()
    {
        PerformContext context = Context();
        _filter.OnPerforming(new PerformingContext(context));
        Assert.Single(await HeldAsync());

        _filter.OnPerformed(new PerformedContext(context, null, canceled: true, null));

        Assert.Empty(await HeldAsync());
    }

    [Fact]
    public async Task The_filter_that_took_the_lock_is_the_one_that_releases_it()
    {
        PerformContext context = Context();
        TaskLockFilter inner = TaskLockFilter.Create(_services);
        _filter.OnPerforming(new PerformingContext(context));
        inner.OnPerforming(new PerformingContext(context));
        PerformedContext performed = new(context, null, canceled: false, new InvalidOperationException());

        inner.OnPerformed(performed);
        Assert.Single(await HeldAsync());

        _filter.OnPerformed(performed);
        Assert.Empty(await HeldAsync());
    }

    [Fact]
    public void Parameters_that_came_with_the_job_are_not_read_again()
    {
        Dictionary<string, string> parameters = new() { [Parameter] = new AttemptRecord { Begun = true }.ToString() };
        BackgroundJob job = new("17", _job.Job, DateTime.UnixEpoch, parameters);

        _filter.OnPerforming(new PerformingContext(Context(job)));

        _connection.DidNotReceiveWithAnyArgs().GetJobParameter(default, default);
        _connection.DidNotReceiveWithAnyArgs().SetJobParameter(default, default, default);
    }

    [Fact]
    public async Task A_storage_that_fails_when_the_wait_is_over_leaves_no_lock_behind()
    {
        _connection.GetJobParameter("17", Parameter).Returns(new AttemptRecord { Begun = true, State = State }.ToString());
        _connection.When(c => c.SetJobParameter("17", Parameter, Arg.Any<string>())).Throw(new IOException("storage"));

        Assert.Throws<IOException>(() => _filter.OnPerforming(new PerformingContext(Context())));

        Assert.Empty(await HeldAsync());
    }

    [Fact]
    public async Task The_start_of_a_job_is_recorded_before_its_lock_is_requested()
    {
        _connection.When(c => c.SetJobParameter("17", Parameter, Arg.Any<string>())).Throw(new IOException("storage"));

        Assert.Throws<IOException>(() => _filter.OnPerforming(new PerformingContext(Context(_skipped))));

        _connection.Received(1).SetJobParameter("17", Parameter, new AttemptRecord { Begun = true }.ToString());
        Assert.Empty(await HeldAsync());
    }

    [Fact]
    public async Task A_job_that_is_never_skipped_costs_no_write_before_its_lock_and_no_read_of_its_retries()
    {
        _filter.OnPerforming(new PerformingContext(Context()));

        Assert.Single(await HeldAsync());
        _connection.DidNotReceiveWithAnyArgs().SetJobParameter(default, default, default);
        _connection.DidNotReceive().GetJobParameter("17", "RetryCount");
    }

    [Fact]
    public void A_storage_that_cannot_write_parameters_with_a_state_gets_them_before_it()
    {
        JobStorageTransaction transaction = Substitute.For<JobStorageTransaction>();
        ElectStateContext election = Election(new DeletedState(), ProcessingState.StateName, transaction);

        AttemptRecord record = Elect(election);

        Assert.StartsWith("Deferred (1): lock 'work:x' is held by", Assert.IsType<DeferredState>(election.CandidateState).Reason, StringComparison.Ordinal);
        transaction.DidNotReceiveWithAnyArgs().SetJobParameter(default!, default!, default);
        _connection.Received(1).SetJobParameter("17", Parameter, record.ToString());
    }

    [Fact]
    public void A_storage_that_can_write_parameters_with_a_state_gets_them_in_that_transaction()
    {
        JobStorageTransaction transaction = Substitute.For<JobStorageTransaction>();
        _storage.HasFeature(JobStorageFeatures.Transaction.SetJobParameter).Returns(true);

        AttemptRecord record = Elect(Election(new DeletedState(), ProcessingState.StateName, transaction));

        transaction.Received(1).SetJobParameter("17", Parameter, record.ToString());
        _connection.DidNotReceiveWithAnyArgs().SetJobParameter(default, default, default);
    }

    [Fact]
    public void A_storage_that_wrongly_claims_the_feature_gets_the_parameters_before_the_state_and_is_named_once()
    {
        JobStorageTransaction transaction = Substitute.For<JobStorageTransaction>();
        transaction.When(t => t.SetJobParameter("17", Parameter, Arg.Any<string>())).Throw(new NotSupportedException());
        _storage.HasFeature(JobStorageFeatures.Transaction.SetJobParameter).Returns(true);
        ElectStateContext[] elections = [Election(new DeletedState(), ProcessingState.StateName, transaction), Election(new DeletedState(), ProcessingState.StateName, transaction)];

        AttemptRecord record = Elect(elections);

        Assert.All(elections, election => Assert.IsType<DeferredState>(election.CandidateState));
        _connection.Received(2).SetJobParameter("17", Parameter, record.ToString());
        Assert.Equal([2000], _logs.Collector.GetSnapshot().Select(log => log.Id.Id));
    }

    [Fact]
    public void A_storage_that_fails_when_asked_for_its_features_gets_the_parameters_before_the_state()
    {
        _storage.When(s => s.HasFeature(Arg.Any<string>())).Throw(new InvalidOperationException());

        AttemptRecord record = Elect(Election(new DeletedState(), ProcessingState.StateName, Substitute.For<JobStorageTransaction>()));

        _connection.Received(1).SetJobParameter("17", Parameter, record.ToString());
    }

    [Fact]
    public void When_the_storage_does_not_write_at_all_the_job_is_deferred_nevertheless_with_a_warning()
    {
        _connection.When(c => c.SetJobParameter("17", Parameter, Arg.Any<string>())).Throw(new IOException("storage"));
        ElectStateContext election = Election(new DeletedState(), ProcessingState.StateName);

        Elect(election);

        Assert.IsType<DeferredState>(election.CandidateState);
        Assert.Equal([2001], _logs.Collector.GetSnapshot().Select(log => log.Id.Id));
    }

    [Fact]
    public void When_the_storage_cannot_be_read_the_job_is_enqueued_in_the_default_queue_with_a_warning()
    {
        _connection.When(c => c.GetJobParameter("17", Parameter)).Throw(new IOException("storage"));
        EnqueuedState enqueued = new();

        _filter.OnStateElection(Election(enqueued, ScheduledState.StateName));

        Assert.Equal(EnqueuedState.DefaultQueue, enqueued.Queue);
        Assert.Equal([2002], _logs.Collector.GetSnapshot().Select(log => log.Id.Id));
    }

    [Fact]
    public async Task When_the_storage_does_not_show_the_history_of_a_job_it_is_deferred_nevertheless()
    {
        await using TaskLease lease = (await _services.GetRequiredService<ITaskLocks>().TryAcquireAsync("work:x"))!;
        _storage.When(s => s.GetMonitoringApi()).Throw(new NotSupportedException());
        PerformingContext context = new(Context());

        _filter.OnPerforming(context);

        Assert.True(context.Canceled);
        Assert.Equal([2002], _logs.Collector.GetSnapshot().Select(log => log.Id.Id));
    }

    [Fact]
    public async Task A_job_that_code_performs_and_that_does_not_run_throws_and_leaves_the_waiting_queue()
    {
        TaskLease lease = (await _services.GetRequiredService<ITaskLocks>().TryAcquireAsync("work:x"))!;

        InnerJobNotRunException thrown = Assert.Throws<InnerJobNotRunException>(() => _filter.OnPerforming(new PerformingContext(Context(isOfWorker: false))));

        Assert.Contains("Work.Brief was performed inside another job and is deferred: lock 'work:x' is held by", thrown.Message, StringComparison.Ordinal);
        await Eventually.IsTrueAsync(async () => (await HeldAsync())[0].Waiters.Count == 0);
        await lease.DisposeAsync();
    }

    [Fact]
    public async Task A_deferral_for_an_inner_job_that_another_filter_replaces_leaves_the_waiting_queue()
    {
        await using TaskLease lease = (await _services.GetRequiredService<ITaskLocks>().TryAcquireAsync("work:x"))!;
        BackgroundJob outer = new("16", Job.FromExpression<Work>(w => w.Free("outer", CancellationToken.None)), DateTime.UnixEpoch);
        _filter.OnPerforming(new PerformingContext(Context(outer)));
        InnerJobNotRunException thrown = Assert.Throws<InnerJobNotRunException>(() => _filter.OnPerforming(new PerformingContext(Context(isOfWorker: false))));
        _filter.OnPerformed(new PerformedContext(Context(outer), null, canceled: false, thrown));
        Assert.Single((await HeldAsync())[0].Waiters);
        ElectStateContext election = Election(new FailedState(new JobPerformanceException("inner", thrown)), ProcessingState.StateName, job: outer);
        _filter.OnStateElection(election);
        Assert.Equal("16", Assert.IsType<DeferredState>(election.CandidateState).Deferral.JobId);

        election.CandidateState = new FailedState(new InvalidOperationException("No deferrals here"));
        _filter.OnStateApplied(new ApplyStateContext(Substitute.For<IWriteOnlyTransaction>(), election), Substitute.For<IWriteOnlyTransaction>());

        await Eventually.IsTrueAsync(async () => (await HeldAsync())[0].Waiters.Count == 0);
    }

    [Fact]
    public async Task A_warning_says_that_the_work_is_not_done_if_an_exception_filter_handles_the_refusal_of_an_inner_job()
    {
        await using TaskLease lease = (await _services.GetRequiredService<ITaskLocks>().TryAcquireAsync("work:x"))!;
        BackgroundJob outer = new("16", Job.FromExpression<Work>(w => w.Free("outer", CancellationToken.None)), DateTime.UnixEpoch);
        PerformContext context = Context(outer);
        _filter.OnPerforming(new PerformingContext(context));
        InnerJobNotRunException thrown = Assert.Throws<InnerJobNotRunException>(() => _filter.OnPerforming(new PerformingContext(Context(isOfWorker: false))));
        _filter.OnPerformed(new PerformedContext(context, null, canceled: false, thrown));
        ApplyStateContext change = Change(new SucceededState(null, 0, 0), ProcessingState.StateName, job: outer, customData: context.Items);

        ElectStateContext election = new(change);
        _filter.OnStateElection(election);
        _filter.OnStateApplied(new ApplyStateContext(change.Transaction, election), change.Transaction);

        Assert.IsType<SucceededState>(election.CandidateState);
        Assert.Equal([2020], _logs.Collector.GetSnapshot().Select(log => log.Id.Id));
        await Eventually.IsTrueAsync(async () => (await HeldAsync())[0].Waiters.Count == 0);
    }

    [Fact]
    public void When_the_storage_cannot_be_read_a_job_that_may_have_been_woken_can_be_deleted_with_a_warning()
    {
        _connection.When(c => c.GetJobParameter("17", Parameter)).Throw(new IOException("storage"));
        ApplyStateContext deleted = Change(new DeletedState(), EnqueuedState.StateName);

        _filter.OnStateApplied(deleted, deleted.Transaction);

        Assert.Equal([2021], _logs.Collector.GetSnapshot().Select(log => log.Id.Id));
    }

    [Fact]
    public void A_skip_that_cannot_be_recorded_in_an_election_is_left_to_the_worker()
    {
        _filter.OnPerforming(new PerformingContext(Context()));
        _connection.When(c => c.SetJobParameter("18", Parameter, Arg.Any<string>())).Throw(new IOException("storage"));
        Dictionary<string, string> parameters = new() { ["RecurringJobId"] = "\"nightly\"" };
        ElectStateContext election = Election(Processing(), EnqueuedState.StateName, job: new BackgroundJob("18", _skipped.Job, DateTime.UnixEpoch, parameters));

        _filter.OnStateElection(election);

        Assert.IsType<ProcessingState>(election.CandidateState);
    }

    [Fact]
    public void A_lock_that_is_declared_wrongly_fails_the_job_but_never_an_election()
    {
        ServiceCollection services = new();
        services.AddJobLocking(o => o.ForJob<ThirdParty>(new TaskLockAttribute("{"))).UseInMemory();
        using ServiceProvider provider = services.BuildServiceProvider();
        TaskLockFilter filter = NewFilter(provider);
        BackgroundJob job = new("18", Job.FromExpression<ThirdParty>(t => t.Clean()), DateTime.UnixEpoch);

        filter.OnStateElection(Election(new EnqueuedState(), ScheduledState.StateName, job: job));

        Assert.Throws<TaskLockException>(() => filter.OnPerforming(new PerformingContext(Context(job))));
    }

    [Theory]
    [InlineData("\"mine\"")]
    [InlineData("null")]
    [InlineData("mine")]
    [InlineData("[1]")]
    [InlineData("""{"Begun":"yes"}""")]
    public async Task A_parameter_that_other_code_has_written_is_no_record_and_fails_neither_the_election_nor_the_job(string parameter)
    {
        _connection.GetJobParameter("17", Parameter).Returns(parameter);
        EnqueuedState enqueued = new();

        _filter.OnStateElection(Election(enqueued, ScheduledState.StateName, job: _skipped));
        _filter.OnPerforming(new PerformingContext(Context(_skipped)));

        Assert.Equal(EnqueuedState.DefaultQueue, enqueued.Queue);
        Assert.Single(await HeldAsync());
        _connection.Received(1).SetJobParameter("17", Parameter, new AttemptRecord { Begun = true }.ToString());
    }

    [Fact]
    public void A_state_that_another_filter_has_elected_stays()
    {
        FailedState other = new(new InvalidOperationException());
        ElectStateContext election = Election(other, ProcessingState.StateName);

        Elect(election);

        Assert.Same(other, election.CandidateState);
    }

    [Theory]
    [InlineData("Enqueued", null, true)]
    [InlineData("Scheduled", null, true)]
    [InlineData("Processing", null, false)]
    [InlineData("Enqueued", "broken", false)]
    public void A_job_is_skipped_before_it_reaches_a_worker_where_that_is_certain_and_nothing_fails_there(string current, string? retries, bool isSkipped)
    {
        _filter.OnPerforming(new PerformingContext(Context()));
        Dictionary<string, string> parameters = new() { ["RecurringJobId"] = "\"nightly\"" };
        if (retries is not null)
        {
            parameters["RetryCount"] = retries;
        }

        _connection.ClearReceivedCalls();
        ElectStateContext election = Election(Processing(), current, job: new BackgroundJob("18", Job.FromExpression<Work>(w => w.Skip("x", "skipped", CancellationToken.None)), DateTime.UnixEpoch, parameters));

        _filter.OnStateElection(election);

        Assert.Equal(isSkipped, election.CandidateState is DeletedState { Reason: var reason } && reason.StartsWith("Skipped: lock 'work:x' is held by", StringComparison.Ordinal));
        _connection.DidNotReceiveWithAnyArgs().GetJobParameter(default, default);
    }

    [Theory]
    [InlineData(null, null, null, ExecutionOrigin.OneOff)]
    [InlineData(null, null, "nightly", ExecutionOrigin.Recurring)]
    [InlineData("""{"Begun":true}""", null, "nightly", ExecutionOrigin.Redelivery)]
    [InlineData("""{"Begun":true}""", "1", "nightly", ExecutionOrigin.Retry)]
    [InlineData(null, "1", "nightly", ExecutionOrigin.Retry)]
    [InlineData(null, "1", null, ExecutionOrigin.OneOff)] // Auto skips no one-off job: the number of its attempts is not read
    [InlineData("""{"Begun":true,"Deferral":"1;1;1;0;0:waiter"}""", "1", "nightly", ExecutionOrigin.Deferred)]
    [InlineData("""{"Begun":true,"Deferral":"not one of ours"}""", "1", "nightly", ExecutionOrigin.Retry)]
    public void The_origin_is_read_from_what_the_job_carries(string? record, string? retries, string? recurringJobId, ExecutionOrigin origin)
    {
        _connection.GetJobParameter("17", Parameter).Returns(record);
        _connection.GetJobParameter("17", "RetryCount").Returns(retries);
        _connection.GetJobParameter("17", "RecurringJobId").Returns(recurringJobId is null ? null : $"\"{recurringJobId}\"");
        LockPolicy policy = _services.GetRequiredService<LockPolicies>().Find(_job.Job.Type, _job.Job.Method)!;

        LockExecution execution = JobExecution.Describe(
            Context(), policy, AttemptRecord.Read(_connection, _job), new RecurringJobs(TimeProvider.System, _logs), _installations);

        Assert.Equal(origin, execution.Origin);
        Assert.Equal(recurringJobId is null ? "Work.Brief" : "Work.Brief [nightly]", execution.Job);
        Assert.Equal(recurringJobId is null, execution.Identity is null);
        Assert.Equal(("Hangfire", "17", "work:x"), (execution.Scheduler, execution.Execution, execution.Name));
    }

    [Fact]
    public void In_an_election_the_storage_is_not_asked_whether_a_recurring_job_runs_again_and_a_worker_decides()
    {
        Dictionary<string, string> parameters = new() { ["RecurringJobId"] = "\"nightly\"" };
        _filter.OnPerforming(new PerformingContext(Context(new BackgroundJob("17", _job.Job, DateTime.UnixEpoch, parameters))));
        _connection.ClearReceivedCalls();
        ElectStateContext election = Election(Processing(), EnqueuedState.StateName, job: new BackgroundJob("18", _job.Job, DateTime.UnixEpoch, parameters));

        _filter.OnStateElection(election);

        Assert.IsType<ProcessingState>(election.CandidateState);
        Assert.Empty(_connection.ReceivedCalls());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whether_a_recurring_job_runs_again_is_asked_only_when_it_would_be_skipped(bool runsAgain)
    {
        _connection.GetAllEntriesFromHash("recurring-job:nightly")
            .Returns(runsAgain ? new Dictionary<string, string> { ["NextExecution"] = "1" } : null);
        Dictionary<string, string> parameters = new() { ["RecurringJobId"] = "\"nightly\"" };
        _filter.OnPerforming(new PerformingContext(Context(new BackgroundJob("17", _job.Job, DateTime.UnixEpoch, parameters))));
        _connection.DidNotReceiveWithAnyArgs().GetAllEntriesFromHash(default!);

        _filter.OnPerforming(new PerformingContext(Context(new BackgroundJob("18", _job.Job, DateTime.UnixEpoch, parameters))));

        Assert.Equal(runsAgain ? [] : ["18"], (await HeldAsync()).Single().Waiters.Select(waiter => waiter.Description.Execution));
        _connection.Received(1).GetAllEntriesFromHash("recurring-job:nightly");
    }

    [Theory]
    [InlineData("Processing")]
    [InlineData("Scheduled")]
    public void A_storage_that_does_not_answer_ends_no_election_of_Processing(string current)
    {
        _connection.When(c => c.GetStateData("17")).Throw(new IOException("storage"));

        _filter.OnStateElection(Election(Processing(), current));

        Assert.Equal([2022], _logs.Collector.GetSnapshot().Select(log => log.Id.Id));
    }

    private TaskLockFilter NewFilter(ServiceProvider services)
    {
        LockPolicies policies = services.GetRequiredService<LockPolicies>();
        return new TaskLockFilter(
            services.GetRequiredService<LockEngine>(),
            policies,
            new ElectionRecords(_logs),
            _installations,
            new RecurringJobs(TimeProvider.System, _logs),
            new PendingDeferrals(_logs),
            new UnsharedStorages(policies, sharesLocks: false, _logs),
            new HangfireTaskLockOptions(),
            TimeProvider.System);
    }

    private static IState Processing() =>
        (IState)Activator.CreateInstance(typeof(ProcessingState), BindingFlags.Instance | BindingFlags.NonPublic, null, ["server", "worker"], null)!;

    /// <summary>Elects the deferral of the job, whose lock is taken.</summary>
    /// <returns>What the job has to store.</returns>
    private AttemptRecord Elect(params ElectStateContext[] elections)
    {
        LockEngine engine = _services.GetRequiredService<LockEngine>();
        LockPolicy policy = _services.GetRequiredService<LockPolicies>().Find(_job.Job.Type, _job.Job.Method)!;
        AttemptRecord record = new() { Begun = true };
        LockExecution execution = JobExecution.Describe(
            Context(), policy, record, new RecurringJobs(TimeProvider.System, _logs), _installations);
        LockDecision held = engine.DecideAsync(execution, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        Assert.IsType<LockDecision.Run>(held);
        LockDecision busy = engine.DecideAsync(execution, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        ElectionRecords records = new(_logs);
        JobDecision notRun = JobDecision.From(_filter, execution, busy, record, _job, storage: null, records);
        foreach (ElectStateContext election in elections)
        {
            notRun.Elect(election, records);
        }

        return notRun.Record;
    }

    private PerformContext Context(BackgroundJob? job = null, bool isOfWorker = true)
    {
        PerformContext context = new(_storage, _connection, job ?? _job, Substitute.For<IJobCancellationToken>());
        if (isOfWorker)
        {
            ServerId(context) = "server";
        }

        return context;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<ServerId>k__BackingField")]
    private static extern ref string? ServerId(PerformContext context);

    private ElectStateContext Election(IState candidate, string current, IWriteOnlyTransaction? transaction = null, BackgroundJob? job = null) =>
        new(new ApplyStateContext(_storage, _connection, transaction ?? Substitute.For<IWriteOnlyTransaction>(), job ?? _job, candidate, current));

    private ApplyStateContext Change(IState state, string current, BackgroundJob? job = null, IDictionary<string, object>? customData = null)
    {
        ApplyStateContext change = new(_storage, _connection, Substitute.For<IWriteOnlyTransaction>(), job ?? _job, state, current);
        CustomData(change) = customData?.AsReadOnly();
        return change;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<CustomData>k__BackingField")]
    private static extern ref IReadOnlyDictionary<string, object>? CustomData(ApplyStateContext context);

    private Task<HeldLock[]> HeldAsync() => _services.GetRequiredService<ITaskLocks>().ListAsync().ToArrayAsync().AsTask();
}
