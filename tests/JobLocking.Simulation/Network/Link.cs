using JobLocking.Simulation.Faults;
using JobLocking.Simulation.Time;
using JobLocking.Stores;
using JobLocking.Stores.InMemory;

namespace JobLocking.Simulation.Network;

/// <summary>
/// The connection of one process to the server, with what the server knows about the process. Like a real one, it reconnects by itself when
/// it is lost, resubscribes and reports that.
/// </summary>
internal sealed class Link(World world, Server server, FaultProfile faultProfile, Action<Action> onNode, Func<bool> isAwake)
{
    private static readonly TimeSpan TryAgain = TimeSpan.FromMilliseconds(100);

    private readonly List<Action<LockStoreException>> _unanswered = [];
    private InMemoryLockStore? _data;
    private InMemoryLockStore? _process;
    private IAsyncDisposable? _listening;
    private Action<LockNotification>? _onNotification;
    private int _connection;
    private long _lastRequestAt;
    private long _lastAnswerAt;
    private bool _isDead;

    public bool IsDown { get; private set; }

    public int Unanswered => _unanswered.Count;

    /// <summary>Sends a request and delivers its reply or its failure; never both, never twice.</summary>
    public void Ask<T>(string what, Func<InMemoryLockStore, T> apply, Action<T> answered, Action<LockStoreException> failed)
    {
        if (IsDown)
        {
            // It never leaves the process; some clients report that at once, others wait for the connection to come back.
            world.Trace($"{what}: no connection");
            LockStoreException error = new("there is no connection", mayHaveBeenApplied: false);
            world.After(world.Random.Chance(0.5) ? TimeSpan.Zero : faultProfile.Patience, () => onNode(() => failed(error)));
            return;
        }

        bool isOver = false;
        void Fail(LockStoreException error)
        {
            if (Over())
            {
                failed(error);
            }
        }

        bool Over()
        {
            bool first = !isOver;
            isOver = true;
            _unanswered.Remove(Fail);
            return first;
        }

        _unanswered.Add(Fail);
        world.After(faultProfile.Patience, () =>
        {
            if (!isOver)
            {
                onNode(() => Fail(new LockStoreException("the server did not answer in time", mayHaveBeenApplied: true)));
            }
        });

        if (faultProfile.LosesRequest())
        {
            world.Trace($"{what}: request lost");
            return;
        }

        int connection = _connection;
        int life = server.Life;
        world.At(Arrival(ref _lastRequestAt), () => server.Receive(life, () =>
        {
            bool refuses = faultProfile.Refuses();
            T answer = refuses ? default! : apply(Process());
            if (faultProfile.LosesReply())
            {
                world.Trace($"{what}: answer lost");
                return;
            }

            world.At(Arrival(ref _lastAnswerAt), () =>
            {
                if (connection != _connection)
                {
                    world.Trace($"{what}: answer lost with the connection");
                    return;
                }

                onNode(() =>
                {
                    if (!Over())
                    {
                        return;
                    }

                    if (refuses)
                    {
                        failed(new LockStoreException("the server refused", mayHaveBeenApplied: false));
                    }
                    else
                    {
                        answered(answer);
                    }
                });
            });
        }));
    }

    /// <summary>On the server: the process is subscribed from now on. Once, however often it subscribes.</summary>
    public bool Subscribe(InMemoryLockStore process)
    {
        _listening ??= Now(process.SubscribeAsync(Notify, CancellationToken.None));
        return true;
    }

    /// <summary>Whether no fault affects one of the leases in a renewal.</summary>
    public bool Spares() => !faultProfile.LosesRenewal();

    public void Hears(Action<LockNotification>? onNotification) => _onNotification = onNotification;

    public void Unsubscribe()
    {
        if (_listening is { } listening)
        {
            _listening = null;
            listening.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>The connection is lost. The server may not notice, and may treat the process as subscribed.</summary>
    public void Break(TimeSpan duration, bool halfOpen)
    {
        if (IsDown || _isDead)
        {
            return;
        }

        IsDown = true;
        _connection++;
        if (!halfOpen)
        {
            Unsubscribe();
        }

        foreach (Action<LockStoreException> fail in _unanswered.ToArray())
        {
            onNode(() => fail(new LockStoreException("the connection was lost", mayHaveBeenApplied: true)));
        }

        world.After(duration, Reconnect);
    }

    /// <summary>The process is dead; its machine may be, too, and then the server does not learn of it.</summary>
    public void Die(TimeSpan unnoticed)
    {
        _isDead = true;
        _connection++;
        world.After(unnoticed, Unsubscribe);
    }

    private void Reconnect()
    {
        if (_isDead)
        {
            return;
        }

        if (!server.Answers || !isAwake())
        {
            world.After(TryAgain, Reconnect);
            return;
        }

        IsDown = false;
        if (_onNotification is { } onNotification)
        {
            Unsubscribe();
            Subscribe(Process());
            onNode(() => onNotification(new LockNotification.Reconnected()));
        }
    }

    private void Notify(LockNotification notification)
    {
        int connection = _connection;
        if (server.IsMute || IsDown || _isDead || faultProfile.LosesNotification())
        {
            world.Trace($"notification lost: {notification.GetType().Name}");
            return;
        }

        world.At(Arrival(ref _lastAnswerAt), () =>
        {
            if (connection == _connection && _onNotification is { } onNotification)
            {
                onNode(() => onNotification(notification));
            }
        });
    }

    /// <summary>What the server knows about the process, until it forgets everything.</summary>
    private InMemoryLockStore Process()
    {
        if (_data != server.Data)
        {
            _data = server.Data;
            _process = _data.OfAnotherProcess();
            _listening = null;
        }

        return _process!;
    }

    private long Arrival(ref long last)
    {
        long at = world.Now + faultProfile.Latency().Ticks;
        if (faultProfile.KeepsOrder)
        {
            at = Math.Max(at, last);
        }

        return last = at;
    }

    private static T Now<T>(ValueTask<T> done) => done.AsTask().GetAwaiter().GetResult();
}
