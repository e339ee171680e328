using System.Runtime.CompilerServices;
using JobLocking.Simulation.Histories;
using JobLocking.Simulation.Time;
using JobLocking.Stores;
using JobLocking.Stores.InMemory;

namespace JobLocking.Simulation.Network;

/// <summary>The store as one process sees it: each call is a request and a reply that travel over the network.</summary>
internal sealed class NodeStore(World world, TraceNames names, Link link, string node) : ILockStore
{
    private static int CallsOf(World world) => world.History.Facts.Count;

    public async ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        string lease = names.Lease(request.LeaseId);
        string what = $"{node} acquire {request.Name} for {lease}, waiter {names.Waiter(request.Waiter?.Id)}";
        int call = Sent(StoreCall.Acquire, lease, request.Name, request.Expiry);
        return await AskAsync(
            what,
            store =>
            {
                AcquireResult answer = Done(store.AcquireAsync(request, CancellationToken.None));
                Applied(call, StoreCall.Acquire, lease, request.Name, answer.Outcome == AcquireOutcome.Granted, request.Occurrence);
                world.Trace($"{what}: {answer.Outcome} {answer.FencingToken} queued {answer.QueuedSince} left {answer.TimeLeft}");
                return answer;
            },
            cancellationToken,
            call);
    }

    public async ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Action<IReadOnlyList<RenewResult>> onResults, CancellationToken cancellationToken)
    {
        RenewRequest[] requests = leases.ToArray();
        int[] calls = [.. requests.Select(one => Sent(StoreCall.Renew, names.Lease(one.LeaseId), one.Name, one.Expiry))];
        string what = $"{node} renew {string.Join(' ', requests.Select(one => names.Lease(one.LeaseId)))}";
        RenewOutcome[] answers = await AskAsync(
            what,
            store =>
            {
                RenewOutcome[] results = new RenewOutcome[requests.Length];
                for (int i = 0; i < requests.Length; i++)
                {
                    // One of them may fail although the others do not.
                    if (!link.Spares())
                    {
                        continue;
                    }

                    int lease = i;
                    store.RenewAsync(requests.AsMemory(i, 1), one => results[lease] = one[0].Outcome, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                    Applied(calls[i], StoreCall.Renew, names.Lease(requests[i].LeaseId), requests[i].Name, results[i] == RenewOutcome.Renewed, occurrence: null);
                }

                world.Trace($"{what}: {string.Join(' ', results)}");
                return results;
            },
            cancellationToken);
        onResults([.. answers.Select((outcome, i) => new RenewResult(i, outcome))]);
        for (int i = 0; i < calls.Length; i++)
        {
            Answered(calls[i], isKnown: answers[i] == RenewOutcome.Renewed);
        }
    }

    public async ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        string lease = names.Lease(request.LeaseId);
        string what = $"{node} release {request.Name} of {lease}, keep {request.KeepFor}, {request.Occurrence?.Outcome}";
        int call = Sent(StoreCall.Release, lease, request.Name, TimeSpan.Zero);
        return await AskAsync(
            what,
            store =>
            {
                ReleaseOutcome answer = Done(store.ReleaseAsync(request, CancellationToken.None));
                Applied(call, StoreCall.Release, lease, request.Name, answer == ReleaseOutcome.Released, request.Occurrence?.Occurrence);
                world.Trace($"{what}: {answer}");
                return answer;
            },
            cancellationToken,
            call);
    }

    public async ValueTask DeclineAsync(DeclineRequest request, CancellationToken cancellationToken) => await AskAsync(
        $"{node} decline {request.Name}, not accepted by {names.Waiter(request.NotAcceptedBy)}",
        store => Done(store.DeclineAsync(request, CancellationToken.None)),
        cancellationToken);

    public async ValueTask LeaveAsync(LeaveRequest request, CancellationToken cancellationToken) => await AskAsync(
        $"{node} leave {request.Name}, waiter {names.Waiter(request.WaiterId)}",
        store => Done(store.LeaveAsync(request, CancellationToken.None)),
        cancellationToken);

    public ValueTask<PollResult> PollAsync(PollRequest request, CancellationToken cancellationToken)
    {
        string what = $"{node} poll {request.Name}, waiter {names.Waiter(request.Waiter.Id)} and {request.Others?.Count ?? 0}";
        return AskAsync(
            what,
            store =>
            {
                PollResult answer = Done(store.PollAsync(request, CancellationToken.None));
                world.Trace($"{what}: {answer}");
                return answer;
            },
            cancellationToken);
    }

    public ValueTask<bool> IsMarkedAsync(string name, LockOccurrence occurrence, CancellationToken cancellationToken) => AskAsync(
        $"{node} reads a mark of {name}",
        store => Done(store.IsMarkedAsync(name, occurrence, CancellationToken.None)),
        cancellationToken);

    public async ValueTask<IAsyncDisposable> SubscribeAsync(Action<LockNotification> onNotification, CancellationToken cancellationToken)
    {
        await AskAsync($"{node} subscribe", link.Subscribe, cancellationToken);
        link.Hears(notification =>
        {
            world.Trace($"{node} receives {Describe(notification)}");
            onNotification(notification);
        });
        return new Listening(link);
    }

    public async IAsyncEnumerable<HeldLock> ListAsync(string? prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<HeldLock> held = await AskAsync(
            $"{node} list",
            store =>
            {
                List<HeldLock> all = [];
                IAsyncEnumerator<HeldLock> locks = store.ListAsync(prefix, CancellationToken.None).GetAsyncEnumerator(CancellationToken.None);
                while (Done(locks.MoveNextAsync()))
                {
                    all.Add(locks.Current);
                }

                return all;
            },
            cancellationToken);
        foreach (HeldLock one in held)
        {
            yield return one;
        }
    }

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken) => AskAsync(
        $"{node} break {name} {fencingToken}",
        store =>
        {
            bool broken = Done(store.BreakAsync(name, fencingToken, CancellationToken.None));
            if (broken)
            {
                world.History.Add(new Fact.Freed(world.Now, name, fencingToken, ByBreak: true));
            }

            return broken;
        },
        cancellationToken);

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => AskAsync($"{node} check", _ => (string?)null, cancellationToken);

    private async ValueTask<T> AskAsync<T>(string what, Func<InMemoryLockStore, T> apply, CancellationToken cancellationToken, int? call = null)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource<T> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Trace($"{what}?");
        link.Ask(what, apply, result => answer.TrySetResult(result), error =>
        {
            world.Trace($"{what}: {error.Message}");
            answer.TrySetException(error);
        });

        // A caller that gives up does not wait; the request is under way.
        using CancellationTokenRegistration end = cancellationToken.UnsafeRegister(_ => answer.TrySetCanceled(cancellationToken), null);
        try
        {
            return await answer.Task;
        }
        finally
        {
            if (call is { } number)
            {
                Answered(number, answer.Task.IsCompletedSuccessfully);
            }
        }
    }

    private void Answered(int call, bool isKnown) => world.History.Add(new Fact.Answered(world.Now, call, isKnown));

    private int Sent(StoreCall kind, string lease, string name, TimeSpan expiry)
    {
        int call = CallsOf(world);
        world.History.Add(new Fact.Sent(world.Now, node, call, kind, lease, name, expiry));
        return call;
    }

    private void Applied(int call, StoreCall kind, string lease, string name, bool done, LockOccurrence? occurrence) =>
        world.History.Add(new Fact.Applied(world.Now, call, kind, lease, name, done, occurrence is null ? null : TraceNames.Occurrence(occurrence)));

    private string Describe(LockNotification notification) => notification switch
    {
        LockNotification.WakeUp wakeUp => $"the wake-up of {names.Waiter(wakeUp.WaiterId)} for {wakeUp.Name} after {wakeUp.After}",
        LockNotification.Broken broken => $"the break of {names.Lease(broken.LeaseId)}",
        _ => "reconnected",
    };

    // In memory there is nothing to wait for.
    private static T Done<T>(ValueTask<T> done) => done.AsTask().GetAwaiter().GetResult();

    private static bool Done(ValueTask done)
    {
        done.AsTask().GetAwaiter().GetResult();
        return true;
    }

    private sealed class Listening(Link link) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            link.Hears(null);
            link.Unsubscribe();
            return default;
        }
    }
}
