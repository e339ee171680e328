using System.Globalization;
using JobLocking.Simulation.Faults;
using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Judging;
using JobLocking.Simulation.Load;
using JobLocking.Simulation.Network;
using JobLocking.Simulation.Time;
using JobLocking.Stores;

namespace JobLocking.Simulation;

/// <summary>The result of one seed.</summary>
internal sealed record Outcome(int Seed, int Works, History History, IReadOnlyDictionary<string, int> Faults, IReadOnlyList<string> Violations);

/// <summary>
/// The run of one seed: a period of faults under load, a calm period under load, and then enough time for all work to end.
/// </summary>
internal sealed class SimulationRun
{
    private static readonly TimeSpan LongestEnd = TimeSpan.FromHours(2);

    // A process remembers a deferral for the longest delay and a while longer.
    private static readonly TimeSpan Afterwards = TimeSpan.FromMinutes(16);

    private readonly World _world;
    private readonly TraceNames _names = new();
    private readonly FaultProfile _faultProfile;
    private readonly Server _server;
    private readonly List<Node> _nodes = [];
    private readonly Nemesis _nemesis;
    private readonly Scheduler _scheduler;
    private readonly ByHand _byHand;
    private readonly List<SharedLock> _locks = [];
    private readonly List<Job> _jobs = [];
    private int _starts;

    private SimulationRun(int seed, bool isTraced)
    {
        _world = new World(seed, isTraced);
        _faultProfile = new FaultProfile(_world.Random);
        _server = new Server(_world);
        _scheduler = new Scheduler(_world, _names, _faultProfile, _nodes);
        _byHand = new ByHand(_world, _names);
        _nemesis = new Nemesis(_world, _faultProfile, _server, _nodes, Start, node => !_scheduler.Runs(node));
    }

    public static async Task<Outcome> RunAsync(int seed, bool isTraced)
    {
        SimulationRun run = new(seed, isTraced);
        await run.RunAsync();
        History history = run._world.History;
        return new Outcome(seed, run._scheduler.Submitted, history, run._faultProfile.Faults, Judge.Violations(history.Facts));
    }

    private async Task RunAsync()
    {
        SeededRandom random = _world.Random;
        int locks = random.Number(1, 4);
        for (int i = 1; i <= locks; i++)
        {
            int limit = random.Pick(1, 1, 2, 3);
            SharedLock one = new($"lock{i}", random.Number(1, 7), limit, random.Chance(0.2) ? random.Number(1, 4) : limit);
            _locks.Add(one);
            int jobs = random.Number(1, 4);
            for (int j = 1; j <= jobs; j++)
            {
                _jobs.Add(Job.Drawn(random, one, j));
            }
        }

        int nodes = random.Number(2, 5);
        for (int i = 1; i <= nodes; i++)
        {
            _nodes.Add(Start(i));
        }

        long calmAt = random.Span(10, 60).Ticks;
        long lastWorkAt = calmAt + random.Span(35, 60).Ticks;
        _jobs.ForEach(job => Plan(job, lastWorkAt));
        PlanByHand(lastWorkAt);
        _nemesis.Begin();
        _world.At(calmAt, BecomeCalm, alone: true);
        if (random.Chance(0.3))
        {
            _world.At(calmAt + random.Span(20, 30).Ticks, _nemesis.StopNode, alone: true);
        }

        await _world.PassAsync(lastWorkAt, () => false);
        await _world.PassAsync(lastWorkAt + LongestEnd.Ticks, () => _scheduler.IsIdle);
        await _world.PassAsync(_world.Now + TimeSpan.FromSeconds(60).Ticks, () => false);
        foreach (HeldLock held in _server.Held())
        {
            Left("the server", $"{held.Name} is held by {held.Holder} for {held.TimeLeft}");
        }

        await _world.PassAsync(_world.Now + Afterwards.Ticks, () => false);
        foreach (Node node in _nodes)
        {
            if (!node.IsDead && node.Clock.Armed > 0)
            {
                Left(node.Name, $"{node.Clock.Armed} timers");
            }

            if (!node.IsDead && node.Link.Unanswered > 0)
            {
                Left(node.Name, $"{node.Link.Unanswered} requests");
            }

            node.Dispose();
        }
    }

    private void Left(string where, string what) => _world.History.Add(new Fact.Left(_world.Now, where, what));

    private Node Start(int number)
    {
        Node node = new(_world, _names, _server, _faultProfile, string.Create(CultureInfo.InvariantCulture, $"n{number}.{++_starts}"));
        node.Ended += _scheduler.OnEnded;
        return node;
    }

    private void BecomeCalm()
    {
        _nemesis.End();
        _world.History.Add(new Fact.Calm(_world.Now));
    }

    private void Plan(Job job, long until)
    {
        TimeSpan every = _world.Random.Span(2, 14);
        void Next()
        {
            TimeSpan pause = job.HasOccurrences ? every : _world.Random.Span(TimeSpan.Zero, every * 2);
            if (_world.Now + pause.Ticks < until)
            {
                _world.After(pause, () =>
                {
                    Submit(job);
                    Next();
                });
            }
        }

        Next();
    }

    private void Submit(Job job)
    {
        if (job.HasOccurrences)
        {
            // Each node fires it by its own schedule, when its clock says so.
            LockOccurrence occurrence = new(job.Name, World.Start.AddTicks(_world.Now), IsRetry: false);
            foreach (Node node in _nodes.Where(node => node.TakesWork))
            {
                _world.After(_world.Random.Span(0, _world.Random.Pick(0.01, 0.5, 3)), () =>
                {
                    if (node.TakesWork)
                    {
                        _scheduler.Submit(job, node, occurrence);
                    }
                });
            }
        }
        else if (job.IsStoredShared)
        {
            _scheduler.Submit(job, null, null);
        }
        else if (Ready() is { } node)
        {
            _scheduler.Submit(job, node, null);
        }
    }

    private void PlanByHand(long until)
    {
        TimeSpan every = _world.Random.Span(2, 14);
        void Next()
        {
            _world.After(_world.Random.Span(TimeSpan.Zero, every * 2), () =>
            {
                if (_world.Now < until)
                {
                    if (Ready() is { } node)
                    {
                        SharedLock wanted = _world.Random.Pick<SharedLock>([.. _locks]);
                        node.Do(() => _ = _scheduler.ByHandAsync(node, wanted, _byHand));
                    }

                    Next();
                }
            });
        }

        Next();
    }

    private Node? Ready()
    {
        Node[] ready = [.. _nodes.Where(node => node.TakesWork)];
        return ready.Length == 0 ? null : _world.Random.Pick<Node>(ready);
    }
}
