using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;

namespace JobLocking.Waiting;

/// <content>
/// Deferrals that this process has woken and that have not asked for their lock: their scheduler may have deleted them, or be busy
/// with other work. The next waiter does not wait for that longer than for a moment. A woken execution keeps its ticket, and so its
/// position in the waiting queue, for when it asks at last.
/// </content>
internal sealed partial class LocalWaiters
{
    /// <summary>A woken execution that has not begun after this time lets the next one be woken.</summary>
    private static readonly TimeSpan BegunWithin = TimeSpan.FromSeconds(2);

    /// <summary>By lock: the store follows up the last wake-up of a lock only. An entry ends as its execution asks, or after a time.</summary>
    private readonly Dictionary<string, WakeUp> _wakeUps = new(StringComparer.Ordinal);

    /// <summary>The wake-ups whose time runs, in their order: all have the same time.</summary>
    private readonly Queue<WakeUp> _running = new();

    private bool _isWatching;

    private sealed class WakeUp(Waiter waiter)
    {
        public Waiter Waiter { get; } = waiter;

        /// <summary>It was woken by this id: the place may get another.</summary>
        public string Id { get; } = waiter.Id;

        public string Name => Waiter.Wanted.Name;

        public long DueAt { get; set; }
    }

    /// <summary>A deferral that came back, or was woken, does not run any more, or not soon: if it was woken, the next one is.</summary>
    public void Gone(string name, string ticket)
    {
        if (Waiter.IdOf(ticket) is not { } id)
        {
            return;
        }

        lock (_gate)
        {
            Answered(name, id);
            if (_byId.GetValueOrDefault(id) is { Signal: null } waiter)
            {
                Remove(waiter);
            }
        }

        PassOn(name, limit: 1, id);
    }

    /// <summary>Notes a wake-up before the scheduler is told of it, since the execution may ask before the call to the scheduler returns.</summary>
    private WakeUp Wakes(Waiter waiter)
    {
        WakeUp wakeUp = new(waiter);
        lock (_gate)
        {
            _wakeUps[wakeUp.Name] = wakeUp;
        }

        return wakeUp;
    }

    /// <summary>The deferral was not there any more, or could not be started.</summary>
    private void NotStarted(WakeUp wakeUp)
    {
        lock (_gate)
        {
            if (Awaits(wakeUp))
            {
                _wakeUps.Remove(wakeUp.Name);
            }
        }
    }

    /// <summary>The scheduler has started the execution: its time to ask runs from now on.</summary>
    private void Started(WakeUp wakeUp)
    {
        lock (_gate)
        {
            if (!Awaits(wakeUp) || _stopped.IsCancellationRequested)
            {
                return;
            }

            wakeUp.DueAt = Deadline.Add(time, time.GetTimestamp(), BegunWithin);
            _running.Enqueue(wakeUp);
            if (_isWatching)
            {
                return;
            }

            _isWatching = true;
        }

        _ = WatchAsync();
    }

    private bool Awaits(WakeUp wakeUp) => _wakeUps.GetValueOrDefault(wakeUp.Name) == wakeUp;

    /// <summary>The execution has asked for its lock, or never will.</summary>
    private void Answered(string name, string id)
    {
        if (_wakeUps.TryGetValue(name, out WakeUp? wakeUp) && wakeUp.Id == id)
        {
            _wakeUps.Remove(name);
        }
    }

    /// <summary>Once for all wake-ups of the process, while there are any.</summary>
    private async Task WatchAsync()
    {
        while (Next(out WakeUp? late) is { } wait)
        {
            if (late is null)
            {
                await Task.Delay(wait, time, _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            else
            {
                WakeAfter(late);
            }
        }
    }

    /// <summary>How long until the time of the next wake-up is over, and the wake-up if it is; null if there is none.</summary>
    private TimeSpan? Next(out WakeUp? late)
    {
        late = null;
        lock (_gate)
        {
            while (_running.TryPeek(out WakeUp? next) && !_stopped.IsCancellationRequested)
            {
                if (Awaits(next) && Deadline.Until(time, next.DueAt) is { Ticks: > 0 } left)
                {
                    // A timer of whole milliseconds would fire a little early.
                    return TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds));
                }

                _running.Dequeue();
                if (Awaits(next))
                {
                    _wakeUps.Remove(next.Name);
                    late = next;
                    return TimeSpan.Zero;
                }
            }

            _running.Clear();
            _isWatching = false;
            return null;
        }
    }

    /// <summary>
    /// If the execution runs on another node, it has the lock or has had it, and the store does nothing. It does not either once some
    /// wake-ups in a row were not accepted: then the safety poll goes on by itself.
    /// </summary>
    private void WakeAfter(WakeUp late)
    {
        LeaseRequest wanted = late.Waiter.Wanted;
        Release(new ReleaseRequest(late.Name, LeaseId: null, Limit: wanted.Terms.Limit, Unaccepted: late.Id));
        try
        {
            Log.WakeUpNotAccepted(logger, wanted.Holder.Job, wanted.Holder.Execution, BegunWithin, late.Name);
        }
#pragma warning disable CA1031 // A logger of the user's that throws must not end what follows upon wake-ups.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
