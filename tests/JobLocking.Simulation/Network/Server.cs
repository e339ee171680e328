using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Time;
using JobLocking.Stores.InMemory;

namespace JobLocking.Simulation.Network;

/// <summary>The one server that all processes share: the in-memory store, on which the contract suite of the real one passes, with a clock of its own.</summary>
internal sealed class Server
{
    private readonly World _world;
    private readonly List<Action> _unread = [];

    public Server(World world)
    {
        _world = world;
        Clock = new ServerClock(world);
        Data = new InMemoryLockStore(Clock);
    }

    public ServerClock Clock { get; }

    public InMemoryLockStore Data { get; private set; }

    /// <summary>Grows with each restart: messages to the server from before a restart do not reach it afterwards.</summary>
    public int Life { get; private set; }

    public bool IsDown { get; private set; }

    public bool IsFrozen { get; private set; }

    public bool Answers => !IsDown && !IsFrozen;

    /// <summary>A message arrives; a frozen server reads it when it thaws, whether or not the sender still waits for the answer.</summary>
    public void Receive(int life, Action message)
    {
        if (life != Life || IsDown)
        {
            return;
        }

        if (IsFrozen)
        {
            _unread.Add(() => Receive(life, message));
        }
        else
        {
            message();
        }
    }

    public void Freeze() => IsFrozen = true;

    public void Thaw()
    {
        IsFrozen = false;
        Action[] unread = [.. _unread];
        _unread.Clear();
        foreach (Action message in unread)
        {
            message();
        }
    }

    public void GoDown() => IsDown = true;

    public void ComeUp(bool empty)
    {
        IsDown = false;
        Life++;
        if (empty)
        {
            Data = new InMemoryLockStore(Clock);
            _world.History.Add(new Fact.DataLost(_world.Now));
        }
    }

    /// <summary>Removes a lease as a DEL of its key would: without a notification.</summary>
    public void Delete(string name, long token)
    {
        IsMute = true;
        Data.BreakAsync(name, token, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        IsMute = false;
    }

    /// <summary>It sends no notification.</summary>
    public bool IsMute { get; private set; }

    public IReadOnlyList<HeldLock> Held()
    {
        // In memory there is nothing to wait for.
        List<HeldLock> held = [];
        IAsyncEnumerator<HeldLock> all = Data.ListAsync(null, CancellationToken.None).GetAsyncEnumerator();
        while (all.MoveNextAsync().AsTask().GetAwaiter().GetResult())
        {
            held.Add(all.Current);
        }

        return held;
    }
}
