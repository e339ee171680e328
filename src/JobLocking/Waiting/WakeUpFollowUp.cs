using JobLocking.Leasing;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Waiting;

/// <summary>
/// Follows up the deferrals that this process has woken. One that does not ask for its lock in time may have been deleted by its
/// scheduler, or be behind other work: then the store wakes the next waiter. A woken execution keeps its reference, and so its position in
/// the waiting queue, for when it asks at last.
/// </summary>
/// <param name="wakeNext">Makes the store wake the next waiter of a lock, if the last woken waiter has the id.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">The log.</param>
/// <param name="stopped">Cancelled when the host stops: then nothing is followed up.</param>
internal sealed class WakeUpFollowUp(Action<string, string> wakeNext, TimeProvider time, ILogger logger, CancellationToken stopped)
{
    private readonly Lock _gate = new();

    /// <summary>
    /// By lock: the store follows up only the last wake-up of a lock. An entry ends when the execution asks, or when its time is over.
    /// </summary>
    private readonly Dictionary<string, WakeUp> _last = new(StringComparer.Ordinal);

    /// <summary>The wake-ups whose time runs, in order: all have the same time.</summary>
    private readonly Queue<WakeUp> _running = new();

    private bool _isWatching;

    internal sealed class WakeUp(Waiter waiter)
    {
        public Waiter Waiter { get; } = waiter;

        public string Id { get; } = waiter.Id;

        public string Name => Waiter.Wanted.Name;

        public long DueAt { get; set; }
    }

    /// <summary>Notes a wake-up before the scheduler is called, since the execution may ask before that call returns.</summary>
    public WakeUp Begin(Waiter waiter)
    {
        WakeUp wakeUp = new(waiter);
        lock (_gate)
        {
            _last[wakeUp.Name] = wakeUp;
        }

        return wakeUp;
    }

    /// <summary>The scheduler has not started the deferral.</summary>
    public void NotStarted(WakeUp wakeUp)
    {
        lock (_gate)
        {
            if (IsAwaited(wakeUp))
            {
                _last.Remove(wakeUp.Name);
            }
        }
    }

    /// <summary>The scheduler has started the execution: from now on its time to ask runs.</summary>
    public void Started(WakeUp wakeUp)
    {
        lock (_gate)
        {
            if (!IsAwaited(wakeUp) || stopped.IsCancellationRequested)
            {
                return;
            }

            wakeUp.DueAt = Deadline.Add(time, time.GetTimestamp(), WaitingTimes.AcceptedWithin);
            _running.Enqueue(wakeUp);
            if (_isWatching)
            {
                return;
            }

            _isWatching = true;
        }

        _ = WatchAsync();
    }

    /// <summary>The execution has asked for its lock, or never will.</summary>
    public void Asked(string name, string id)
    {
        lock (_gate)
        {
            if (_last.TryGetValue(name, out WakeUp? wakeUp) && wakeUp.Id == id)
            {
                _last.Remove(name);
            }
        }
    }

    private bool IsAwaited(WakeUp wakeUp) => _last.GetValueOrDefault(wakeUp.Name) == wakeUp;

    /// <summary>One loop for all wake-ups of the process, while there are any.</summary>
    private async Task WatchAsync()
    {
        while (Next(out WakeUp? late) is { } wait)
        {
            if (late is null)
            {
                await Task.Delay(wait, time, stopped).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            else
            {
                NotAccepted(late);
            }
        }
    }

    /// <summary>How long until the time of the next wake-up is over, and the wake-up if it is; null if there is none.</summary>
    private TimeSpan? Next(out WakeUp? late)
    {
        late = null;
        lock (_gate)
        {
            while (_running.TryPeek(out WakeUp? next) && !stopped.IsCancellationRequested)
            {
                if (IsAwaited(next) && Deadline.Until(time, next.DueAt) is { Ticks: > 0 } left)
                {
                    // A timer of whole milliseconds would fire a little early.
                    return TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds));
                }

                _running.Dequeue();
                if (IsAwaited(next))
                {
                    _last.Remove(next.Name);
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
    /// The store does nothing if the execution has asked on another node, or once several wake-ups in a row were not accepted: then only
    /// the safety poll goes on.
    /// </summary>
    private void NotAccepted(WakeUp late)
    {
        wakeNext(late.Name, late.Id);
        try
        {
            LockHolder holder = late.Waiter.Wanted.Holder;
            Log.WakeUpNotAccepted(logger, holder.Job, holder.Execution, WaitingTimes.AcceptedWithin, late.Name);
        }
#pragma warning disable CA1031 // A user's logger that throws must not end the loop.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
