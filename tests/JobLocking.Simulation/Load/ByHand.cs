using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Network;
using JobLocking.Simulation.Time;

namespace JobLocking.Simulation.Load;

/// <summary>Locks taken by hand, through the interface that users have.</summary>
internal sealed class ByHand(World world, TraceNames names)
{
    /// <returns>What became of it.</returns>
    public async Task<string> RunAsync(Node node, SharedLock wanted, int limit, string who)
    {
        SeededRandom random = world.Random;
        TaskLockOptions how = new()
        {
            Expire = random.Chance(0.3) ? TimeSpan.FromMilliseconds(random.Number(300, 1000)) : TimeSpan.FromSeconds(wanted.Expire),
            Limit = limit,
            Wait = random.Chance(0.5) ? random.Span(0.2, 10) : TimeSpan.Zero,
            MinHold = random.Chance(0.1) ? TimeSpan.FromMilliseconds(300) : TimeSpan.Zero,
        };
        using CancellationTokenSource end = new();
        if (random.Chance(0.4))
        {
            world.After(random.Span(0.001, 5), () => node.Do(() => Cancel(end)));
        }

        try
        {
            TaskLease? lease = random.Chance(0.5)
                ? await AcquireAsync(node, wanted, how, who, end.Token)
                : await node.Locks.TryAcquireAsync(wanted.Name, how, end.Token);
            return lease is null ? "contended" : await WorkAsync(node, lease);
        }
        catch (Exception e) when (e is OperationCanceledException or TaskLockUnavailableException or ObjectDisposedException)
        {
            return e.GetType().Name;
        }
    }

    private async Task<TaskLease> AcquireAsync(Node node, SharedLock wanted, TaskLockOptions how, string who, CancellationToken cancellationToken)
    {
        world.History.Add(new Fact.Waits(world.Now, who, node.Name, wanted.Name, how.Limit, ForOccurrence: false));
        try
        {
            return await node.Locks.AcquireAsync(wanted.Name, how, cancellationToken);
        }
        finally
        {
            world.History.Add(new Fact.WaitsNoMore(world.Now, who));
        }
    }

    private async Task<string> WorkAsync(Node node, TaskLease lease)
    {
        Holding holding = new(world, names, node, lease);
        Exception? error = await holding.WorkAsync(world.Random.Span(0, lease.Held.Terms.Expiry.TotalSeconds * 2), CancellationToken.None);
        holding.Ended(End.Released);
        ValueTask releasing = lease.DisposeAsync();
        if (world.Random.Chance(0.2))
        {
            await lease.DisposeAsync();
        }

        await releasing;
        world.History.Add(new Fact.Returned(world.Now, holding.Name));
        return error is null ? "succeeded" : "failed";
    }

    private static void Cancel(CancellationTokenSource end)
    {
        try
        {
            end.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It ended before.
        }
    }
}
