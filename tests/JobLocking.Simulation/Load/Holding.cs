using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Network;
using JobLocking.Simulation.Time;

namespace JobLocking.Simulation.Load;

/// <summary>
/// Observes one lease, and works under it as jobs do: some check whether it is lost, some react to its cancellation token, some do neither.
/// </summary>
internal sealed class Holding
{
    private readonly World _world;
    private readonly Node _node;
    private readonly TaskLease _lease;

    public Holding(World world, TraceNames names, Node node, TaskLease lease)
    {
        _world = world;
        _node = node;
        _lease = lease;
        Name = names.Lease(lease.Held.Id);
        world.History.Add(new Fact.Held(
            world.Now, node.Name, Name, lease.Name, lease.Held.Terms.Limit, lease.FencingToken, lease.Held.Terms.Expiry, lease.Held.Terms.MinHold, lease.Held.Terms.MaxHold));
        lease.Lost.UnsafeRegister(_ => Ended(End.Told), null);
    }

    public string Name { get; }

    public void Ended(End how)
    {
        if (!_node.IsDead)
        {
            _world.History.Add(new Fact.Ended(_world.Now, Name, how));
        }
    }

    /// <summary>Does the work of a job.</summary>
    /// <returns>What it threw; null if it succeeded.</returns>
    public async Task<Exception?> WorkAsync(TimeSpan length, CancellationToken stopping)
    {
        SeededRandom random = _world.Random;
        bool isTold = random.Chance(0.5);
        bool checks = random.Chance(0.6);
        bool extends = random.Chance(0.1);
        TimeSpan slowness = random.Chance(0.3) ? random.Span(0.1, 3) : TimeSpan.Zero;
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(stopping, isTold ? _lease.Lost : CancellationToken.None);
        try
        {
            for (TimeSpan left = length; left > TimeSpan.Zero;)
            {
                TimeSpan step = random.Span(0.05, 1.5);
                await Task.Delay(step, _node.Clock, end.Token);
                left -= step;
                if (checks && random.Chance(0.5))
                {
                    Check();
                }

                if (extends && random.Chance(0.3))
                {
                    await ExtendAsync();
                }
            }

            return random.Chance(0.15) ? new InvalidOperationException("the job has failed") : null;
        }
        catch (OperationCanceledException cancelled)
        {
            if (slowness > TimeSpan.Zero)
            {
                await Task.Delay(slowness, _node.Clock, CancellationToken.None);
            }

            return cancelled;
        }
        catch (TaskLockException e)
        {
            return e;
        }
    }

    private void Check()
    {
        try
        {
            _lease.ThrowIfLost();
        }
        catch (TaskLockLostException)
        {
            Ended(End.Threw);
            throw;
        }
    }

    private async Task ExtendAsync()
    {
        TimeSpan duration = _world.Random.Span(0.1, _lease.Held.Terms.Expiry.TotalSeconds * 3);
        try
        {
            await _lease.ExtendAsync(duration);
        }
        catch (Exception e) when (e is TaskLockUnavailableException or ArgumentOutOfRangeException)
        {
            // It continues with what it has.
        }
        catch (TaskLockLostException)
        {
            Ended(End.Threw);
            throw;
        }
    }
}
