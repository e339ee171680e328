using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Network;
using JobLocking.Simulation.Time;

namespace JobLocking.Simulation.Faults;

/// <summary>
/// Breaks processes, connections, the server and its clock (not single messages) until it is told to stop; then it repairs everything.
/// </summary>
internal sealed class Nemesis(World world, FaultProfile faultProfile, Server server, List<Node> nodes, Func<int, Node> start, Func<Node, bool> isIdle)
{
    private readonly List<(string Name, Action Do)> _faults = [];
    private TimeSpan _pause;

    public void Begin()
    {
        (string, Action)[] all =
        [
            ("node frozen", FreezeNode),
            ("node killed", KillNode),
            ("host stopped", StopNode),
            ("connection lost", BreakLink),
            ("server frozen", FreezeServer),
            ("server restarted", () => RestartServer(empty: false)),
            ("server restarted empty", () => RestartServer(empty: true)),
            ("server's clock set", StepClock),
            ("key deleted", DeleteKey),
            ("lease broken", BreakLease),
        ];
        foreach ((string, Action) fault in all)
        {
            if (world.Random.Chance(0.35))
            {
                _faults.Add(fault);
            }
        }

        _pause = world.Random.Span(1, 10);
        Next();
    }

    /// <summary>From now on nothing is broken.</summary>
    public void End()
    {
        faultProfile.IsCalm = true;
        _faults.Clear();
        if (server.IsFrozen)
        {
            server.Thaw();
        }

        foreach (Node node in nodes.ToArray())
        {
            node.Thaw();
        }
    }

    /// <summary>A host may also be stopped without any fault.</summary>
    public void StopNode()
    {
        if (Someone() is { } node)
        {
            node.Stop(() => isIdle(node), world.Random.Span(0.1, 6), world.Random.Span(0, 6));
            Replace(node);
        }
    }

    private void Next()
    {
        if (_faults.Count == 0)
        {
            return;
        }

        world.After(
            world.Random.Span(_pause / 4, _pause * 2),
            () =>
            {
                if (_faults.Count > 0)
                {
                    (string name, Action fault) = _faults[world.Random.Number(0, _faults.Count)];
                    faultProfile.Count(name);
                    world.Trace($"*** {name}");
                    fault();
                    Next();
                }
            },
            alone: true);
    }

    private Node? Someone()
    {
        Node[] working = [.. nodes.Where(node => node.TakesWork)];
        return working.Length == 0 ? null : world.Random.Pick<Node>(working);
    }

    private void FreezeNode()
    {
        if (Someone() is { } node)
        {
            node.Freeze();
            world.After(world.Random.Span(0.05, world.Random.Pick(1, 4, 15)), node.Thaw, alone: true);
        }
    }

    private void KillNode()
    {
        if (Someone() is { } node)
        {
            node.Kill(world.Random.Chance(0.7) ? TimeSpan.Zero : world.Random.Span(0.1, 10));
            Replace(node);
        }
    }

    private void Replace(Node node)
    {
        int number = node.Name[1] - '0';
        world.After(world.Random.Span(0.5, 8), () => nodes.Add(start(number)), alone: true);
    }

    private void BreakLink()
    {
        if (Someone() is { } node)
        {
            node.Link.Break(world.Random.Span(0.01, world.Random.Pick(0.2, 3, 12)), world.Random.Chance(0.3));
        }
    }

    private void FreezeServer()
    {
        if (server.Answers)
        {
            server.Freeze();
            world.After(world.Random.Span(0.1, world.Random.Pick(1, 5, 15)), server.Thaw, alone: true);
        }
    }

    private void RestartServer(bool empty)
    {
        if (!server.Answers)
        {
            return;
        }

        server.GoDown();
        TimeSpan down = world.Random.Span(0.05, world.Random.Pick(0.5, 4));
        foreach (Node node in nodes.Where(node => !node.IsDead))
        {
            node.Link.Break(down, halfOpen: false);
        }

        world.After(down, () => server.ComeUp(empty), alone: true);
    }

    private void StepClock()
    {
        TimeSpan by = world.Random.Span(-3, world.Random.Pick(0.5, 3, 8));
        server.Clock.Step(by);
        world.History.Add(new Fact.ClockStepped(world.Now, by));
    }

    private void DeleteKey()
    {
        // A DEL notifies no process, and names no lease.
        if (server.Held() is { Count: > 0 } held && world.Random.Pick<HeldLock>([.. held]) is { FencingToken: { } token } one)
        {
            server.Delete(one.Name, token);
            world.History.Add(new Fact.Freed(world.Now, one.Name, token, ByBreak: false));
        }
    }

    private void BreakLease()
    {
        if (Someone() is { } node)
        {
            node.Do(() => _ = BreakAsync(node));
        }
    }

    private async Task BreakAsync(Node node)
    {
        try
        {
            List<HeldLock> all = [];
            await foreach (HeldLock held in node.Locks.ListAsync())
            {
                all.Add(held);
            }

            if (all.Count > 0 && world.Random.Pick<HeldLock>([.. all]) is { FencingToken: { } token } one)
            {
                await node.Locks.BreakAsync(one.Name, token);
            }
        }
        catch (TaskLockUnavailableException)
        {
            // The operator tries again later.
        }
    }
}
