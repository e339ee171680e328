using System.Globalization;
using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Simulation.Faults;
using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Network;
using JobLocking.Simulation.Time;
using JobLocking.Stores;

namespace JobLocking.Simulation.Load;

/// <summary>
/// A scheduler as the adapters of Hangfire and Quartz know them: hands work to nodes, stores deferrals and fires them when they are due
/// or woken, runs failed work again and, where its storage is shared, work that died with a node.
/// </summary>
internal sealed class Scheduler(World world, TraceNames names, FaultProfile faultProfile, List<Node> nodes)
{
    private static readonly TimeSpan NobodyThere = TimeSpan.FromMilliseconds(500);

    private readonly List<JobExecution> _open = [];
    private readonly Dictionary<(Node, Job), LockPolicy> _policies = [];
    private int _submitted;
    private int _deferrals;

    public bool IsIdle => _open.Count == 0;

    public int Submitted => _submitted;

    public bool Runs(Node node) => _open.Exists(work => work.RunsOn == node);

    public void Submit(Job job, Node? home, LockOccurrence? occurrence)
    {
        ExecutionOrigin origin = job.IsRecurring ? ExecutionOrigin.Recurring : ExecutionOrigin.OneOff;
        JobExecution work = new(NextName(job.Name), job, occurrence, origin, home);
        Open(work);
        Hand(work);
    }

    /// <summary>Locks taken by hand count as work too: it has to end.</summary>
    public async Task ByHandAsync(Node node, SharedLock wanted, ByHand byHand)
    {
        JobExecution work = new(NextName("by hand"), new Job("by hand", wanted, null!, false, false, false, 0), null, ExecutionOrigin.OneOff, node) { RunsOn = node };
        Open(work);
        await ObservedAsync(work, RunByHandAsync());

        async Task RunByHandAsync() => Finish(work, await byHand.RunAsync(node, wanted, LimitOf(node, wanted), work.Name));
    }

    /// <summary>A process has ended, and with it everything that ran there or was in its scheduler's memory.</summary>
    public void OnEnded(Node node)
    {
        foreach (JobExecution work in _open.ToArray())
        {
            if (work.Home == node)
            {
                Finish(work, "died with its node");
            }
            else if (work.RunsOn == node)
            {
                work.RunsOn = null;
                work.Origin = ExecutionOrigin.Redelivery;
                world.After(world.Random.Span(0.5, 20), () => Hand(work));
            }
        }
    }

    private static int LimitOf(Node node, SharedLock wanted) =>
        node.Name.StartsWith("n1", StringComparison.Ordinal) ? wanted.OldLimit : wanted.Limit;

    private string NextName(string job) => string.Create(CultureInfo.InvariantCulture, $"{job}#{++_submitted}");

    private void Open(JobExecution work)
    {
        _open.Add(work);
        world.History.Add(new Fact.Submitted(world.Now, work.Name));
    }

    private void Finish(JobExecution work, string state)
    {
        if (!work.IsOver)
        {
            work.IsOver = true;
            work.RunsOn = null;
            _open.Remove(work);
            world.History.Add(new Fact.Finished(world.Now, work.Name, state));
        }
    }

    private void Hand(JobExecution work)
    {
        Node[] ready = [.. nodes.Where(node => node.TakesWork)];
        Node? node = work.Home ?? (ready.Length == 0 ? null : world.Random.Pick<Node>(ready));
        if (node is null)
        {
            world.After(NobodyThere, () => Hand(work));
        }
        else if (!work.IsOver)
        {
            work.RunsOn = node;
            node.Do(() => _ = ObservedAsync(work, RunAsync(node, work)));
        }
    }

    /// <summary>No exception may occur that an adapter does not expect.</summary>
    private async Task ObservedAsync(JobExecution work, Task running)
    {
        try
        {
            await running;
        }
#pragma warning disable CA1031 // Whatever it is, the judge is notified of it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            world.History.Add(new Fact.Left(world.Now, work.Name, e.ToString()));
        }
    }

    private async Task RunAsync(Node node, JobExecution work)
    {
        if (node.IsStopping)
        {
            Requeue(work);
            return;
        }

        LockExecution execution = Describe(node, work);
        LockDecision decision;
        try
        {
            decision = await node.Engine.DecideAsync(execution, world.Random.Chance(0.3) ? node.Stopping : CancellationToken.None);
        }
        catch (OperationCanceledException)
        {
            Requeue(work);
            return;
        }

        world.History.Add(new Fact.Decided(
            world.Now, work.Name, Word(decision), execution.Origin is ExecutionOrigin.OneOff or ExecutionOrigin.Recurring, execution.Occurrence is not null));
        switch (decision)
        {
            case LockDecision.Run run:
                await RunAsync(node, work, run);
                break;
            case LockDecision.Defer defer:
                await DeferAsync(node, work, execution, defer);
                break;
            case LockDecision.Fail:
                Fail(work);
                break;
            default:
                Finish(work, "skipped");
                break;
        }
    }

    private async Task RunAsync(Node node, JobExecution work, LockDecision.Run run)
    {
        run.Enter();
        Holding holding = new(world, names, node, run.Lease!);
        if (work.Occurrence is { } occurrence)
        {
            world.History.Add(new Fact.Ran(world.Now, holding.Name, TraceNames.Occurrence(occurrence)));
        }

        TimeSpan length = world.Random.Span(0, work.Job.Lock.Expire * world.Random.Pick(0.2, 0.5, 2.5));
        Exception? error = await holding.WorkAsync(length, node.Stopping);
        bool aborted = node.IsStopping && error is OperationCanceledException;
        holding.Ended(error is null ? End.Released : End.ReleasedEarly);
        Exception? inPlace = await run.EndAsync(error, aborted);
        world.History.Add(new Fact.Returned(world.Now, holding.Name));
        if (aborted)
        {
            Requeue(work);
        }
        else if ((inPlace ?? error) is not null)
        {
            Fail(work);
        }
        else
        {
            Finish(work, "succeeded");
        }
    }

    private async Task DeferAsync(Node node, JobExecution work, LockExecution execution, LockDecision.Defer defer)
    {
        await Task.Delay(TimeSpan.FromMilliseconds(world.Random.Number(0, 30)), node.Clock);
        if (faultProfile.StorageFails())
        {
            defer.NotStored();
            Fail(work);
            return;
        }

        int deferral = work.Deferral = ++_deferrals;
        work.RunsOn = null;
        work.DeferredBy.Add(node);
        work.State = defer.State;
        world.After(defer.Delay + world.Random.Span(0, 1), () => Fire(work, deferral));
        if (world.Random.Chance(0.3))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(world.Random.Number(0, 30)), node.Clock);
        }

        if (work.Deferral == deferral && !node.IsDead && defer.Cause != AcquireOutcome.OccurrenceRunning)
        {
            world.History.Add(new Fact.Waits(
                world.Now, Waiter(work, deferral), node.Name, work.Job.Lock.Name, execution.Policy.Limit, execution.Occurrence is not null, work.DeferredBy.Any(other => other != node)));
        }

        defer.Stored(() => WakeAsync(node, work, deferral));
    }

    private async ValueTask<bool> WakeAsync(Node node, JobExecution work, int deferral)
    {
        await Task.Delay(TimeSpan.FromMilliseconds(world.Random.Number(0, 20)), node.Clock);
        if (faultProfile.StorageFails())
        {
            throw new InvalidOperationException("the storage has failed");
        }

        // Work in the memory of a process is not started any more once the process stops.
        if (work.Deferral != deferral || (work.Home == node && node.IsStopping))
        {
            return false;
        }

        work.State = work.State?.Woken();
        Fire(work, deferral);
        return true;
    }

    private void Fire(JobExecution work, int deferral)
    {
        if (work.Deferral != deferral || work.IsOver)
        {
            return;
        }

        work.Deferral = 0;
        work.Origin = ExecutionOrigin.Deferred;
        world.History.Add(new Fact.WaitsNoMore(world.Now, Waiter(work, deferral)));
        Hand(work);
    }

    private void Fail(JobExecution work)
    {
        if (work.RetriesLeft-- <= 0)
        {
            Finish(work, "failed");
            return;
        }

        work.RunsOn = null;
        Again(work, ExecutionOrigin.Retry);
        work.Occurrence = work.Occurrence is { } occurrence ? occurrence with { IsRetry = true } : null;
        world.After(world.Random.Span(0.1, 5), () => Hand(work));
    }

    /// <summary>It was taken away from a stopping node: another node runs it, if it knows of it.</summary>
    private void Requeue(JobExecution work)
    {
        if (work.Home is not null)
        {
            Finish(work, "aborted with its node");
            return;
        }

        work.RunsOn = null;
        Again(work, ExecutionOrigin.Redelivery);
        Hand(work);
    }

    /// <summary>A new attempt starts a new wait.</summary>
    private static void Again(JobExecution work, ExecutionOrigin origin)
    {
        work.Origin = origin;
        work.State = null;
        work.DeferredBy.Clear();
    }

    private LockExecution Describe(Node node, JobExecution work)
    {
        if (!_policies.TryGetValue((node, work.Job), out LockPolicy? policy))
        {
            _policies.Add((node, work.Job), policy = node.Policies.Resolve(work.Job.Declare(LimitOf(node, work.Job.Lock)), work.Job.Name));
        }

        return new LockExecution
        {
            Policy = policy,
            Name = work.Job.Lock.Name,
            Scheduler = "simulation",
            Job = work.Job.Name,
            Identity = work.Job.Name,
            Execution = work.Name,
            Origin = work.Origin,
            AsksWhetherHolderAnswers = work.Job.HasOccurrences,
            Occurrence = work.Occurrence,
            Deferral = work.State,
            EndOfWait = node.Stopping,
        };
    }

    private static string Waiter(JobExecution work, int deferral) => string.Create(CultureInfo.InvariantCulture, $"{work.Name} deferral {deferral}");

    private static string Word(LockDecision decision) => decision switch
    {
        LockDecision.Run => "run",
        LockDecision.Skip => "skip",
        LockDecision.Defer => "defer",
        _ => "fail",
    };
}
