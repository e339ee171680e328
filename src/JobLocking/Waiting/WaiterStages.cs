namespace JobLocking.Waiting;

/// <summary>
/// What a waiter does now. In all stages but <see cref="Absent"/> and <see cref="Waking"/> this process finds it by its id.
/// </summary>
internal enum WaiterStage
{
    /// <summary>It does not wait in this process: it has not asked yet, has its lease, has left, or was forgotten.</summary>
    Absent,

    /// <summary>Its execution asks the store for the lock, or acts on the answer: a deferral is being stored, for example.</summary>
    Asking,

    /// <summary>As <see cref="Asking"/>, and a wake-up came meanwhile. It is kept for the waiter.</summary>
    AskingWoken,

    /// <summary>Its execution waits in place.</summary>
    WaitingInPlace,

    /// <summary>Its execution was signalled while it waited in place, and has not resumed yet.</summary>
    Woken,

    /// <summary>Its deferral is stored. The scheduler starts it after its delay, or earlier after a wake-up.</summary>
    Deferred,

    /// <summary>The scheduler is being asked to start the deferral. The execution that it starts asks as a waiter of its own.</summary>
    Waking,
}

/// <summary>What happens to a waiter.</summary>
internal enum WaiterEvent
{
    /// <summary>Its execution is about to ask the store for the lock.</summary>
    Asks,

    /// <summary>The store has granted the lock.</summary>
    Granted,

    /// <summary>The store has refused the lock.</summary>
    Refused,

    /// <summary>The store has not answered. The caller may never report what becomes of the execution.</summary>
    Unanswered,

    /// <summary>Its execution begins to wait in place.</summary>
    WaitBegins,

    /// <summary>The wait in place ends: by a signal, or because its time is over.</summary>
    WaitEnds,

    /// <summary>The wait in place ends because the scheduler stops: its execution must not ask again.</summary>
    WaitIsStopped,

    /// <summary>The scheduler has stored the deferral.</summary>
    DeferralStored,

    /// <summary>The scheduler has deleted or replaced the deferral before its execution asked.</summary>
    DeferralGone,

    /// <summary>The store has woken it.</summary>
    WakeUp,

    /// <summary>The scheduler has started the deferral after a wake-up.</summary>
    Started,

    /// <summary>The scheduler does not have the deferral any more.</summary>
    NotStarted,

    /// <summary>The scheduler has thrown: the deferral may still be stored.</summary>
    StartFailed,

    /// <summary>Its execution does not want the lock any more.</summary>
    Leaves,

    /// <summary>Another execution asks with the same id: the deferral came back, or was delivered a second time.</summary>
    CameAgain,

    /// <summary>A safety poll has checked its entry in the store's queue.</summary>
    Polled,

    /// <summary>
    /// A safety poll has failed, or the services were disposed of: an execution that waits in place must find that out for itself.
    /// </summary>
    MustAsk,

    /// <summary>The time after which it is forgotten is over.</summary>
    Lapsed,

    /// <summary>The host stops.</summary>
    HostStops,
}

/// <summary>What has to be done when a waiter changes its stage.</summary>
[Flags]
internal enum WaiterEffects
{
    None = 0,

    /// <summary>List it among the waiters of its lock: it is counted, and polled for while it waits.</summary>
    List = 1,

    /// <summary>Poll its lock in time.</summary>
    ArmPoll = 2,

    /// <summary>Give it another id: its own belongs to another execution now.</summary>
    NewId = 4,

    /// <summary>Let the execution that waits in place resume.</summary>
    Signal = 8,

    /// <summary>The execution that wanted to wait, or has waited, asks the store now.</summary>
    Ask = 16,

    /// <summary>Make the scheduler start the deferral.</summary>
    Start = 32,

    /// <summary>Tell the store that the wake-up is not used: it wakes the next waiter.</summary>
    Decline = 64,

    /// <summary>Tell the store that this one does not wait any more: if it was woken, the next waiter is.</summary>
    Leave = 128,

    /// <summary>Watch whether the execution asks for its lock in time.</summary>
    FollowUp = 256,
}

/// <summary>
/// The state machine of a waiter: which stage follows, and what has to be done. Without locks, clocks and side effects; README.md in this
/// folder has the whole table, and a test keeps the two equal.
/// </summary>
internal static class WaiterStages
{
    /// <summary>Whether this process finds a waiter in this stage by its id.</summary>
    public static bool IsHere(this WaiterStage stage) => stage is not (WaiterStage.Absent or WaiterStage.Waking);

    /// <summary>Whether its execution occupies a worker in order to wait.</summary>
    public static bool IsInPlace(this WaiterStage stage) => stage is WaiterStage.WaitingInPlace or WaiterStage.Woken;

    /// <summary>Whether it waits for a wake-up, so that its lock is polled for it.</summary>
    public static bool IsWaiting(this WaiterStage stage) => stage is WaiterStage.WaitingInPlace or WaiterStage.Deferred;

    public static (WaiterStage Stage, WaiterEffects Effects) Next(WaiterStage stage, WaiterEvent happened) => (happened, stage) switch
    {
        // It is known before the store is asked, since the wake-up may come before the answer.
        (WaiterEvent.Asks, WaiterStage.Absent) => (WaiterStage.Asking, WaiterEffects.None),

        // The store has taken it out of the queue.
        (WaiterEvent.Granted, not WaiterStage.Waking) => (WaiterStage.Absent, WaiterEffects.None),

        // Absent: another execution with its id has replaced it while it asked.
        (WaiterEvent.Refused, WaiterStage.Absent) => (WaiterStage.Asking, WaiterEffects.List | WaiterEffects.ArmPoll),
        (WaiterEvent.Refused or WaiterEvent.Unanswered, WaiterStage.Asking or WaiterStage.AskingWoken) =>
            (stage, WaiterEffects.List | WaiterEffects.ArmPoll),

        // Absent: no wake-up would find it.
        (WaiterEvent.WaitBegins, WaiterStage.Absent) => (WaiterStage.Absent, WaiterEffects.Ask),
        (WaiterEvent.WaitBegins, WaiterStage.Asking) => (WaiterStage.WaitingInPlace, WaiterEffects.None),
        (WaiterEvent.WaitBegins, WaiterStage.AskingWoken) => (WaiterStage.Asking, WaiterEffects.Ask),

        (WaiterEvent.WaitEnds, WaiterStage.WaitingInPlace) => (WaiterStage.Asking, WaiterEffects.None),
        (WaiterEvent.WaitEnds, WaiterStage.Woken) => (WaiterStage.Asking, WaiterEffects.Ask),

        // The wake-up is kept for the deferral, or for the next waiter when this one leaves.
        (WaiterEvent.WaitIsStopped, WaiterStage.WaitingInPlace) => (WaiterStage.Asking, WaiterEffects.None),
        (WaiterEvent.WaitIsStopped, WaiterStage.Woken) => (WaiterStage.AskingWoken, WaiterEffects.None),

        (WaiterEvent.DeferralStored, WaiterStage.Absent or WaiterStage.Asking) =>
            (WaiterStage.Deferred, WaiterEffects.List | WaiterEffects.ArmPoll),
        (WaiterEvent.DeferralStored, WaiterStage.AskingWoken) => (WaiterStage.Waking, WaiterEffects.Start),

        // The execution that waits in place with this id is another delivery, and continues to wait. The safety poll gives it a new entry.
        (WaiterEvent.DeferralGone, WaiterStage.WaitingInPlace or WaiterStage.Woken or WaiterStage.Waking) => (stage, WaiterEffects.Leave),
        (WaiterEvent.DeferralGone, _) => (WaiterStage.Absent, WaiterEffects.Leave),

        (WaiterEvent.WakeUp, WaiterStage.Absent or WaiterStage.Waking) => (stage, WaiterEffects.Decline),
        (WaiterEvent.WakeUp, WaiterStage.Asking) => (WaiterStage.AskingWoken, WaiterEffects.None),
        (WaiterEvent.WakeUp, WaiterStage.Deferred) => (WaiterStage.Waking, WaiterEffects.Start),
        (WaiterEvent.WakeUp or WaiterEvent.MustAsk, WaiterStage.WaitingInPlace) => (WaiterStage.Woken, WaiterEffects.Signal),

        // Declined without its id: the execution may have come back by itself, and be in the queue again.
        (WaiterEvent.Started, WaiterStage.Waking) => (WaiterStage.Absent, WaiterEffects.FollowUp),
        (WaiterEvent.NotStarted, WaiterStage.Waking) => (WaiterStage.Absent, WaiterEffects.Decline),
        (WaiterEvent.StartFailed, WaiterStage.Waking) =>
            (WaiterStage.Deferred, WaiterEffects.List | WaiterEffects.ArmPoll | WaiterEffects.Decline),

        (WaiterEvent.Leaves, WaiterStage.Waking) => (stage, WaiterEffects.Leave),
        (WaiterEvent.Leaves, _) => (WaiterStage.Absent, WaiterEffects.Leave),

        // A waiter in place was not replaced, but delivered a second time: it asks again, with an id of its own.
        (WaiterEvent.CameAgain, WaiterStage.WaitingInPlace or WaiterStage.Woken) =>
            (WaiterStage.Woken, WaiterEffects.NewId | WaiterEffects.Signal),
        (WaiterEvent.CameAgain, not WaiterStage.Waking) => (WaiterStage.Absent, WaiterEffects.None),

        // It went while it was polled, and the poll may have entered it into the queue again.
        (WaiterEvent.Polled, WaiterStage.Absent or WaiterStage.Waking) => (stage, WaiterEffects.Leave),
        (WaiterEvent.Polled, _) => (stage, WaiterEffects.List),

        // By then a deferral has come back by itself, if it was ever stored. A wait in place has an end of its own.
        (WaiterEvent.Lapsed, WaiterStage.Asking or WaiterStage.AskingWoken or WaiterStage.Deferred) =>
            (WaiterStage.Absent, WaiterEffects.None),

        // A deferral comes back by itself, or on another node. For a wait in place, the caller decides.
        (WaiterEvent.HostStops, WaiterStage.Deferred) => (WaiterStage.Absent, WaiterEffects.None),

        _ => (stage, WaiterEffects.None),
    };
}
