using JobLocking.Leasing;
using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;

namespace JobLocking.Waiting;

/// <summary>
/// The waiters of this process, in place or deferred. The queue itself is in the store, which says which waiter it wakes. This class
/// holds the lock under which waiters change, applies <see cref="WaiterStages"/>, keeps the indexes, and carries out the effects.
/// </summary>
internal sealed class LocalWaiters : IDisposable
{
    private readonly ILockStore _store;
    private readonly BackgroundWork _background;
    private readonly MetricsReporter _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SafetyPoll _poll;
    private readonly WakeUpFollowUp _followUp;

    private readonly CancellationTokenSource _stopped = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Waiter> _byId = new(StringComparer.Ordinal);
    private readonly Dictionary<string, WaitersOfLock> _byLock = new(StringComparer.Ordinal);
    private long _arrivals;
    private bool _disposed;

    public LocalWaiters(
        ILockStore store, StoreGate storeGate, BackgroundWork background, MetricsReporter metrics, TimeProvider time, ILogger logger)
    {
        _store = store;
        _background = background;
        _metrics = metrics;
        _time = time;
        _logger = logger;
        _poll = new SafetyPoll(_gate, OnFound, storeGate, time, logger);
        _followUp = new WakeUpFollowUp(WakeNextAfter, time, logger, _stopped.Token);
    }

    /// <summary>The services were disposed of: there is no store to ask any more.</summary>
    public bool IsDisposed => Volatile.Read(ref _disposed);

    /// <summary>See <see cref="SafetyPoll.Chance"/>.</summary>
    internal Func<int, int, int> Chance
    {
        set => _poll.Chance = value;
    }

    /// <summary>Before the store is asked, since the wake-up may come before the answer.</summary>
    public void Add(Waiter waiter)
    {
        _followUp.Asked(waiter.Wanted.Name, waiter.Id);
        lock (_gate)
        {
            if (_byId.TryGetValue(waiter.Id, out Waiter? before))
            {
                Apply(before, WaiterEvent.CameAgain);
            }

            waiter.Arrival = ++_arrivals;
            Apply(waiter, WaiterEvent.Asks);
        }
    }

    public void OnGranted(Waiter waiter)
    {
        lock (_gate)
        {
            Apply(waiter, WaiterEvent.Granted);
        }
    }

    public void OnRefused(Waiter waiter, AcquireResult result)
    {
        lock (_gate)
        {
            waiter.LapsesAt = After(waiter.LapsesAfter);
            waiter.IsQueued = result.QueuedSince > 0;
            waiter.HasNoEntry = waiter is { IsNew: true, QueuedSince: 0, IsQueued: false };
            waiter.StandsBy = result.Outcome == AcquireOutcome.OccurrenceRunning;
            Apply(waiter, WaiterEvent.Refused, result.QueuedSince, result.TimeLeft);
        }
    }

    /// <summary>
    /// The store has not answered. The caller may never report what becomes of the execution, so the waiter lapses like any other.
    /// </summary>
    /// <param name="waiter">The waiter.</param>
    /// <param name="mayHold">Whether the store may have granted a lease that is not used.</param>
    public void OnUnanswered(Waiter waiter, bool mayHold = false)
    {
        lock (_gate)
        {
            if (mayHold && waiter.Spends is not null)
            {
                bool isHere = waiter.Stage.IsHere() && _byId.Remove(waiter.Id);
                waiter.SpendAnother();
                if (isHere)
                {
                    _byId.Add(waiter.Id, waiter);
                }
            }

            waiter.LapsesAt = After(waiter.LapsesAfter);
            Apply(waiter, WaiterEvent.Unanswered);
        }
    }

    /// <summary>Waits in place for the wake-up.</summary>
    /// <returns>False if it did not come in time. If it comes later, it is kept: for the deferral, or for the next waiter.</returns>
    public async ValueTask<bool> WaitInPlaceAsync(
        Waiter waiter, TimeSpan timeout, CancellationToken endOfWait, CancellationToken cancellationToken)
    {
        TaskCompletionSource signal = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            waiter.Signal = signal;
            if (Apply(waiter, WaiterEvent.WaitBegins).HasFlag(WaiterEffects.Ask))
            {
                return true;
            }
        }

        try
        {
            using CancellationTokenRegistration end = endOfWait.UnsafeRegister(
                static signal => ((TaskCompletionSource)signal!).TrySetResult(), signal);
            await signal.Task.WaitAsync(timeout, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
        }

        lock (_gate)
        {
            WaiterEvent end = endOfWait.IsCancellationRequested ? WaiterEvent.WaitIsStopped : WaiterEvent.WaitEnds;
            return Apply(waiter, end).HasFlag(WaiterEffects.Ask);
        }
    }

    /// <summary>The scheduler has stored the deferral.</summary>
    /// <param name="waiter">The waiter.</param>
    /// <param name="delay">After this time the deferral comes back by itself.</param>
    /// <param name="start">Makes the scheduler start it at once. Called when the wake-up comes, or now if it has come already.</param>
    public void OnDeferralStored(Waiter waiter, TimeSpan delay, Func<ValueTask<bool>> start)
    {
        lock (_gate)
        {
            waiter.DueAt = After(delay);
            waiter.StartDeferral = start;
            waiter.LapsesAt = After(delay + WaitingTimes.LapseAfterDelay);

            // Otherwise the deferral has come back before this call, and asks by itself.
            if (!IsReplaced(waiter))
            {
                Apply(waiter, WaiterEvent.DeferralStored);
            }
        }
    }

    /// <summary>A deferral that came back, or was woken, will not run, or not soon: if it was woken, the next waiter is.</summary>
    public void OnDeferralGone(string name, string reference)
    {
        if (Waiter.IdOf(reference) is not { } id)
        {
            return;
        }

        _followUp.Asked(name, id);
        lock (_gate)
        {
            if (_byId.TryGetValue(id, out Waiter? waiter))
            {
                Apply(waiter, WaiterEvent.DeferralGone);
            }
            else
            {
                Leave(name, id);
            }
        }
    }

    /// <summary>The execution does not want the lock any more: if it was woken, the next waiter is.</summary>
    public void Leave(Waiter waiter)
    {
        lock (_gate)
        {
            Apply(waiter, WaiterEvent.Leaves);
        }
    }

    /// <summary>
    /// The execution waits for the runner of its occurrence, not for the lock. If it was woken since the lock has room, the next waiter is.
    /// </summary>
    public void StandBy(Waiter waiter)
    {
        if (!waiter.IsQueued)
        {
            Decline(waiter.Wanted.Name);
        }
    }

    public void OnWakeUp(LockNotification.WakeUp wakeUp)
    {
        if (wakeUp.After > TimeSpan.Zero)
        {
            _ = WakeUpLaterAsync(wakeUp);
        }
        else
        {
            WakeUp(wakeUp.WaiterId, wakeUp.Name);
        }
    }

    /// <summary>The connection is back: wake-ups and the queue may have been lost.</summary>
    public void PollAllNow()
    {
        lock (_gate)
        {
            foreach (WaitersOfLock waiters in _byLock.Values)
            {
                _poll.PollNow(waiters);
            }
        }
    }

    /// <summary>The host stops.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            foreach (Waiter waiter in _byId.Values.ToList())
            {
                Apply(waiter, WaiterEvent.HostStops);
            }
        }

        // Wake-ups for later are declined.
        _stopped.Cancel();
    }

    /// <summary>Executions that still wait in place ask, and find out that there is no store any more.</summary>
    public void Dispose()
    {
        Stop();
        lock (_gate)
        {
            _disposed = true;
            _poll.End();
            foreach (WaitersOfLock waiters in _byLock.Values)
            {
                SafetyPoll.Disarm(waiters);
                foreach (Waiter waiter in waiters.All)
                {
                    Apply(waiter, WaiterEvent.MustAsk);
                }
            }
        }
    }

    private async Task WakeUpLaterAsync(LockNotification.WakeUp wakeUp)
    {
        await Task.Delay(wakeUp.After, _time, _stopped.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        WakeUp(wakeUp.WaiterId, wakeUp.Name);
    }

    private void WakeUp(string id, string name)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(id, out Waiter? waiter))
            {
                Apply(waiter, WaiterEvent.WakeUp);
            }
            else
            {
                Decline(name);
            }
        }
    }

    /// <summary>What the safety poll has found out about a waiter.</summary>
    private void OnFound(Waiter waiter, WaiterEvent happened, long queuedSince)
    {
        waiter.HasNoEntry = false;
        if (IsReplaced(waiter))
        {
            // The entry in the store belongs to the execution that asks with its id now, and so does a wake-up.
            if (happened == WaiterEvent.WakeUp)
            {
                Apply(_byId[waiter.Id], happened);
            }

            return;
        }

        if (happened == WaiterEvent.Polled)
        {
            waiter.IsQueued = queuedSince > 0;
            if (waiter.IsQueued && waiter.StartDeferral is null)
            {
                waiter.LapsesAt = After(waiter.LapsesAfter);
            }
        }

        Apply(waiter, happened, queuedSince);
    }

    /// <summary>Moves a waiter to its next stage, and does what follows from that.</summary>
    private WaiterEffects Apply(Waiter waiter, WaiterEvent happened, long queuedSince = 0, TimeSpan? timeLeft = null)
    {
        (WaiterStage stage, WaiterEffects effects) = WaiterStages.Next(waiter.Stage, happened);
        bool isRenamed = effects.HasFlag(WaiterEffects.NewId);
        if (waiter.Stage.IsHere() && (isRenamed || !stage.IsHere()))
        {
            Forget(waiter);
        }

        if (isRenamed)
        {
            waiter.TakeNewId();
        }

        waiter.Stage = stage;
        if (stage.IsHere())
        {
            Remember(waiter);
        }

        if (effects.HasFlag(WaiterEffects.List))
        {
            List(waiter, queuedSince);
        }

        if (waiter.IsListed)
        {
            WaitersOfLock waiters = _byLock[waiter.Wanted.Name];
            waiters.Regroup(waiter);
            if (effects.HasFlag(WaiterEffects.ArmPoll))
            {
                _poll.Arm(waiters, timeLeft);
            }
        }

        if (effects.HasFlag(WaiterEffects.Signal))
        {
            waiter.Signal!.TrySetResult();
        }

        if (effects.HasFlag(WaiterEffects.Start))
        {
            Start(waiter);
        }

        if (effects.HasFlag(WaiterEffects.Decline))
        {
            Decline(waiter.Wanted.Name);
        }

        if (effects.HasFlag(WaiterEffects.Leave) && !waiter.HasNoEntry)
        {
            Leave(waiter.Wanted.Name, waiter.Id);
        }

        return effects;
    }

    private void Remember(Waiter waiter)
    {
        if (!_byId.TryAdd(waiter.Id, waiter) && IsReplaced(waiter))
        {
            // Delivered a second time while it asked.
            waiter.TakeNewId();
            _byId.Add(waiter.Id, waiter);
        }
    }

    private void Forget(Waiter waiter)
    {
        _byId.Remove(waiter.Id);
        _metrics.Dequeued(waiter.Wanted.Template, waiter.Wanted.Holder.Scheduler, waiter.IsCounted);
        waiter.IsCounted = false;
        if (waiter.IsListed)
        {
            WaitersOfLock waiters = _byLock[waiter.Wanted.Name];
            waiters.Remove(waiter);
            if (waiters.IsEmpty)
            {
                _byLock.Remove(waiters.Name);
                SafetyPoll.Disarm(waiters);
            }
        }
    }

    private void List(Waiter waiter, long queuedSince)
    {
        if (!_byLock.TryGetValue(waiter.Wanted.Name, out WaitersOfLock? waiters))
        {
            _byLock.Add(waiter.Wanted.Name, waiters = new WaitersOfLock(waiter.Wanted.Name));
        }

        waiters.Remove(waiter);
        waiter.QueuedSince = queuedSince > 0 ? queuedSince : waiter.QueuedSince;
        waiter.CareAt = waiter.StartDeferral is null ? Deadline.Add(_time, waiter.LapsesAt, -waiter.LapsesAfter / 2) : waiter.LapsesAt;
        waiters.Add(waiter);
        waiter.IsCounted = waiter.IsCounted || _metrics.Queued(waiter.Wanted.Template, waiter.Wanted.Holder.Scheduler);
    }

    /// <summary>Another execution of this process has come with its id.</summary>
    private bool IsReplaced(Waiter waiter) => _byId.GetValueOrDefault(waiter.Id) is { } other && other != waiter;

    private void Start(Waiter waiter) => InBackground(async () =>
    {
        LockHolder holder = waiter.Wanted.Holder;
        WakeUpFollowUp.WakeUp wakeUp = _followUp.Begin(waiter);
        WaiterEvent answer;
        try
        {
            answer = await waiter.StartDeferral!().ConfigureAwait(false) ? WaiterEvent.Started : WaiterEvent.NotStarted;
        }
#pragma warning disable CA1031 // Whatever the scheduler threw, the next waiter must not wait until it works again.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.WakeFailed(_logger, e, holder.Job, holder.Execution, waiter.Wanted.Name);
            answer = WaiterEvent.StartFailed;
        }

        if (answer == WaiterEvent.Started)
        {
            Log.Woken(_logger, holder.Job, holder.Execution, waiter.Wanted.Name);
        }

        if (OnStartAnswered(waiter, answer).HasFlag(WaiterEffects.FollowUp))
        {
            _followUp.Started(wakeUp);
        }
        else
        {
            _followUp.NotStarted(wakeUp);
        }
    });

    private WaiterEffects OnStartAnswered(Waiter waiter, WaiterEvent answer)
    {
        lock (_gate)
        {
            // A deferral that could not be started is kept for a later wake-up, unless it has come back by itself.
            bool hasComeBack = answer == WaiterEvent.StartFailed && IsReplaced(waiter);
            waiter.IsQueued &= answer != WaiterEvent.StartFailed;
            return Apply(waiter, hasComeBack ? WaiterEvent.NotStarted : answer);
        }
    }

    /// <summary>A wake-up is not used: the store wakes the next waiter.</summary>
    private void Decline(string name) =>
        Send(name, () => _store.DeclineAsync(new DeclineRequest(name), CancellationToken.None));

    /// <summary>A wake-up was not accepted in time: the store wakes the next waiter if this was its last wake-up.</summary>
    private void WakeNextAfter(string name, string id) =>
        Send(name, () => _store.DeclineAsync(new DeclineRequest(name, NotAcceptedBy: id), CancellationToken.None));

    /// <summary>A waiter leaves the queue. If it was woken, the store wakes the next one.</summary>
    private void Leave(string name, string id) =>
        Send(name, () => _store.LeaveAsync(new LeaveRequest(name, id), CancellationToken.None));

    private void Send(string name, Func<ValueTask> call) => InBackground(async () =>
    {
        try
        {
            await call().ConfigureAwait(false);
        }
        catch (LockStoreException e) when (e.Fault != LockStoreFault.Refused)
        {
            // The outage is in the log; a line for each waiter would say no more.
        }
        catch (LockStoreException e)
        {
            Log.DeclineFailed(_logger, e, name);
        }
    });

    private void InBackground(Func<Task> work)
    {
        using (ExecutionContext.SuppressFlow())
        {
            _background.Add(Task.Run(work));
        }
    }

    private long After(TimeSpan span) => Deadline.Add(_time, _time.GetTimestamp(), span);
}
