using System.Collections.Concurrent;
using JobLocking.Stores;

namespace JobLocking.Tests.Engine;

/// <summary>
/// A store that breaks as a network does, once or until it is repaired: before the call is applied, after it, or by not answering until it
/// is released.
/// </summary>
internal sealed class UnreliableStore(ILockStore inner) : ILockStore
{
    private Action<LockNotification>? _tell;

    public enum Breakage
    {
        None,

        /// <summary>The call is not applied, and the client knows.</summary>
        Refused,

        /// <summary>The call is applied, and its answer is lost.</summary>
        AnswerLost,

        /// <summary>The call is not applied, and the client does not know.</summary>
        RequestLost,
    }

    public Queue<Breakage> Acquire { get; } = [];

    public Breakage AcquireAlways { get; set; }

    public Breakage RenewAlways { get; set; }

    /// <summary>Locks whose renewals fail separately, whatever else is in the batch.</summary>
    public HashSet<string> NotRenewed { get; } = [];

    public Breakage ReleaseAlways { get; set; }

    public Queue<Breakage> Release { get; } = [];

    public Action? OnRenew { get; set; }

    /// <summary>Renewals of these locks are applied; their answers wait for <see cref="HoldRenew"/>.</summary>
    public HashSet<string> AnsweredLate { get; } = [];

    public TaskCompletionSource HoldRenew { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Connects before an acquire is sent, and returns when it was sent; 0 if the store does not report that.</summary>
    public Func<long> Connect { get; set; } = () => 0;

    /// <summary>Answers to acquires wait for it.</summary>
    public TaskCompletionSource? HoldAcquire { get; set; }

    /// <summary>Releases wait for it before they are applied.</summary>
    public TaskCompletionSource? HoldRelease { get; set; }

    public bool IsListening { get; private set; }

    /// <summary>Which server keeps a lock, and whether it is connected.</summary>
    public Func<string, LockServer> Server { get; set; } = _ => LockServer.AlwaysThere;

    /// <summary>The fault of the calls that fail.</summary>
    public LockStoreFault Fault { get; set; }

    /// <summary>What a subscription throws, one exception for each call.</summary>
    public Queue<Exception> ListenFaults { get; } = [];

    /// <summary>What a check throws, one exception for each call.</summary>
    public Queue<Exception> CheckFaults { get; } = [];

    /// <summary>Polls wait for it before they are applied.</summary>
    public TaskCompletionSource? HoldPoll { get; set; }

    /// <summary>How many polls were answered.</summary>
    public int Polls { get; private set; }

    public ConcurrentQueue<string> Calls { get; } = [];

    public ConcurrentQueue<AcquireRequest> Asked { get; } = [];

    public bool Has(string call) => Calls.Contains(call);

    public async ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        Note($"acquire {request.Name} {request.LeaseId}");
        Asked.Enqueue(request);
        Breakage breakage = Acquire.TryDequeue(out Breakage next) ? next : AcquireAlways;
        AcquireResult result = default;
        if (breakage is Breakage.None or Breakage.AnswerLost)
        {
            long sentAt = Connect();
            result = await inner.AcquireAsync(request, cancellationToken) with { SentAt = sentAt };
        }

        if (HoldAcquire is { } hold)
        {
            await hold.Task.WaitAsync(cancellationToken);
        }

        Throw(breakage);
        return result;
    }

    public async ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken)
    {
        Note($"renew {leases.Length}");
        OnRenew?.Invoke();
        if (RenewAlways is Breakage.None or Breakage.AnswerLost)
        {
            List<RenewResult> real = [];
            await inner.RenewAsync(leases, real.AddRange, cancellationToken);
            if (RenewAlways == Breakage.None)
            {
                ILookup<bool, RenewResult> answers = real
                    .Select(answer => NotRenewed.Contains(leases.Span[answer.Index].Name) ? answer with { Outcome = RenewOutcome.Transient } : answer)
                    .ToLookup(answer => AnsweredLate.Contains(leases.Span[answer.Index].Name));
                onResults([.. answers[false]]);
                if (answers.Contains(true))
                {
                    // Continues where it was called, even if the answer has arrived already.
                    await Task.Yield();
                    await HoldRenew.Task.WaitAsync(cancellationToken);
                    onResults([.. answers[true]]);
                }
            }
        }

        Throw(RenewAlways);
    }

    public async ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        Note($"release {request.Name} {request.LeaseId}");
        ReleaseOutcome outcome = default;
        await BreakAsync(async () => outcome = await inner.ReleaseAsync(request, cancellationToken), cancellationToken);
        return outcome;
    }

    public async ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken)
    {
        Note($"decline {request.Name}");
        await BreakAsync(async () => await inner.DeclineAsync(request, cancellationToken), cancellationToken);
    }

    public async ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken)
    {
        Note($"leave {request.Name}");
        await BreakAsync(async () => await inner.LeaveAsync(request, cancellationToken), cancellationToken);
    }

    public async ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken)
    {
        Note($"poll {request.Name} {request.Waiter.Id}");
        Throw(AcquireAlways);
        if (HoldPoll is { } hold)
        {
            await hold.Task.WaitAsync(cancellationToken);
        }

        PollResult look = await inner.PollAsync(request, cancellationToken);
        Polls++;
        return look;
    }

    public async ValueTask<bool> IsMarkedAsync(string name, LockOccurrence occurrence, CancellationToken cancellationToken)
    {
        Note($"is marked {name}");
        Throw(AcquireAlways);
        return await inner.IsMarkedAsync(name, occurrence, cancellationToken);
    }

    public async ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken)
    {
        ThrowNext(ListenFaults);
        IAsyncDisposable listening = await inner.SubscribeAsync(onNotification, cancellationToken);
        _tell = onNotification;
        return listening;
    }

    /// <summary>Notifies the process, as the store would.</summary>
    public void Tell(LockNotification notice) => _tell!(notice);

    public IAsyncEnumerable<HeldLock> ListAsync(string? prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) => inner.BreakAsync(name, fencingToken, cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken)
    {
        // Only then has the process done everything that follows a subscription.
        IsListening = _tell is not null;
        ThrowNext(CheckFaults);
        Throw(AcquireAlways);
        return inner.CheckAsync(cancellationToken);
    }

    public LockServer ServerOf(string name) => Server(name);

    private static void ThrowNext(Queue<Exception> faults)
    {
        if (faults.TryDequeue(out Exception? fault))
        {
            throw fault;
        }
    }

    /// <summary>Calls that free a lock and calls that leave its queue break in one way.</summary>
    private async Task BreakAsync(Func<Task> apply, CancellationToken cancellationToken)
    {
        if (HoldRelease is { } hold)
        {
            await hold.Task.WaitAsync(cancellationToken);
        }

        Breakage breakage = Release.TryDequeue(out Breakage next) ? next : ReleaseAlways;
        if (breakage is Breakage.None or Breakage.AnswerLost)
        {
            await apply();
        }

        Throw(breakage);
    }

    private void Throw(Breakage breakage)
    {
        if (breakage != Breakage.None)
        {
            throw new LockStoreException($"broken: {breakage}", mayHaveBeenApplied: breakage != Breakage.Refused) { Fault = Fault };
        }
    }

    private void Note(string call) => Calls.Enqueue(call);
}
