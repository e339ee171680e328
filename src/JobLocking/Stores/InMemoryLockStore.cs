using System.Runtime.CompilerServices;

namespace JobLocking.Stores;

/// <summary>
/// The locks of one process, with the contract of a real store: for development, for tests, and for a single node. It
/// excludes nothing in other processes.
/// </summary>
internal sealed class InMemoryLockStore(TimeProvider time) : ILockStore
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Held> _locks = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Lock, string Job, DateTimeOffset Time), Mark> _occurrences = [];
    private readonly List<Action<LockNotice>> _listeners = [];
    private long _lastToken;

    private sealed record Held(string? LeaseId, long Token, LockHolder Holder, long ExpiresAt);

    private sealed record Mark(string? LeaseId, OccurrenceOutcome Outcome, LockHolder Holder, long ExpiresAt);

    public ValueTask<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            return new(Acquire(request));
        }
    }

    public ValueTask RenewAsync(ReadOnlyMemory<RenewRequest> leases, Memory<RenewOutcome> outcomes, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            for (int i = 0; i < leases.Length; i++)
            {
                outcomes.Span[i] = Renew(leases.Span[i]);
            }
        }

        return default;
    }

    public ValueTask<ReleaseOutcome> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new(Release(request));
        }
    }

    public ValueTask<LookResult> LookAsync(LookRequest request, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask<IAsyncDisposable> ListenAsync(Action<LockNotice> onNotice, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            _listeners.Add(onNotice);
        }

        return new(new Listening(this, onNotice));
    }

    public async IAsyncEnumerable<HeldLock> ListAsync(string? prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<HeldLock> held;
        lock (_gate)
        {
            held = [.. _locks.Keys.ToList()
                .Where(name => prefix is null || name.StartsWith(prefix, StringComparison.Ordinal))
                .Select(name => (Name: name, Held: Find(name)))
                .Where(found => found.Held is not null)
                .Select(found => new HeldLock(found.Name, found.Held!.Holder, found.Held.Token, Until(found.Held.ExpiresAt), found.Held.LeaseId is null, []))];
        }

        foreach (HeldLock one in held)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return one;
        }

        await ValueTask.CompletedTask.ConfigureAwait(false);
    }

    public ValueTask<bool> BreakAsync(string name, long fencingToken, CancellationToken cancellationToken)
    {
        List<Action<LockNotice>> listeners;
        Held? held;
        lock (_gate)
        {
            held = Find(name);
            if (held?.Token != fencingToken)
            {
                return new(false);
            }

            _locks.Remove(name);
            listeners = [.. _listeners];
        }

        if (held.LeaseId is not null)
        {
            listeners.ForEach(listener => listener(new LockNotice.Broken(held.LeaseId)));
        }

        return new(true);
    }

    public ValueTask<string?> CheckAsync(CancellationToken cancellationToken) => new((string?)null);

    private AcquireResult Acquire(AcquireRequest request)
    {
        if (request.Occurrence is { } occurrence && Find(request.Name, occurrence) is { } mark)
        {
            if (mark.LeaseId is null && mark.Outcome == OccurrenceOutcome.Succeeded)
            {
                return new AcquireResult(AcquireOutcome.OccurrenceSucceeded, Holder: mark.Holder);
            }

            if (mark.LeaseId is null && !occurrence.IsRetry)
            {
                return new AcquireResult(AcquireOutcome.OccurrenceFailed, Holder: mark.Holder);
            }

            if (mark.LeaseId is not null && mark.LeaseId != request.LeaseId)
            {
                return new AcquireResult(AcquireOutcome.OccurrenceRunning, Holder: mark.Holder, TimeLeft: Until(mark.ExpiresAt));
            }
        }

        Held? held = Find(request.Name);
        if (held is not null && held.LeaseId != request.LeaseId)
        {
            return new AcquireResult(AcquireOutcome.Contended, Holder: held.Holder, TimeLeft: Until(held.ExpiresAt), IsKept: held.LeaseId is null);
        }

        long expiresAt = After(request.Expiry);
        held = new Held(request.LeaseId, held?.Token ?? Mint(), request.Holder, expiresAt);
        _locks[request.Name] = held;
        if (request.Occurrence is { } running)
        {
            _occurrences[Key(request.Name, running)] = new Mark(request.LeaseId, OccurrenceOutcome.Unfinished, request.Holder, expiresAt);
        }

        return new AcquireResult(AcquireOutcome.Granted, held.Token);
    }

    private RenewOutcome Renew(RenewRequest request)
    {
        if (Find(request.Name) is not { } held)
        {
            return RenewOutcome.Missing;
        }

        if (held.LeaseId != request.LeaseId)
        {
            return RenewOutcome.NotYours;
        }

        long expiresAt = Math.Max(held.ExpiresAt, After(request.Expiry));
        _locks[request.Name] = held with { ExpiresAt = expiresAt };
        if (request.Occurrence is { } running && Find(request.Name, running) is { } mark && mark.LeaseId == request.LeaseId)
        {
            _occurrences[Key(request.Name, running)] = mark with { ExpiresAt = expiresAt };
        }

        return RenewOutcome.Renewed;
    }

    private ReleaseOutcome Release(ReleaseRequest request)
    {
        if (request.Occurrence is { } end)
        {
            Mark? mark = Find(request.Name, end.Occurrence);
            if (mark is null || mark.LeaseId == request.LeaseId)
            {
                if (end.Outcome != OccurrenceOutcome.Unfinished)
                {
                    _occurrences[Key(request.Name, end.Occurrence)] = new Mark(null, end.Outcome, end.Holder, After(end.Retention));
                }
                else
                {
                    _occurrences.Remove(Key(request.Name, end.Occurrence));
                }
            }
        }

        if (Find(request.Name) is not { } held)
        {
            return ReleaseOutcome.Missing;
        }

        if (held.LeaseId != request.LeaseId)
        {
            return ReleaseOutcome.NotYours;
        }

        if (request.KeepFor > TimeSpan.Zero)
        {
            _locks[request.Name] = held with { LeaseId = null, ExpiresAt = After(request.KeepFor) };
        }
        else
        {
            _locks.Remove(request.Name);
        }

        return ReleaseOutcome.Released;
    }

    // As in Redis: by the clock, so that tokens grow from one run of the process to the next.
    private long Mint() => _lastToken = Math.Max(_lastToken + 1, (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);

    private Held? Find(string name)
    {
        if (_locks.TryGetValue(name, out Held? held) && held.ExpiresAt <= time.GetTimestamp())
        {
            _locks.Remove(name);
            return null;
        }

        return held;
    }

    private Mark? Find(string name, LockOccurrence occurrence)
    {
        if (_occurrences.TryGetValue(Key(name, occurrence), out Mark? mark) && mark.ExpiresAt <= time.GetTimestamp())
        {
            _occurrences.Remove(Key(name, occurrence));
            return null;
        }

        return mark;
    }

    private static (string Lock, string Job, DateTimeOffset Time) Key(string name, LockOccurrence occurrence) => (name, occurrence.Job, occurrence.ScheduledTime);

    private long After(TimeSpan span) => time.GetTimestamp() + (long)(span.TotalSeconds * time.TimestampFrequency);

    private TimeSpan Until(long expiresAt) => time.GetElapsedTime(time.GetTimestamp(), expiresAt);

    private sealed class Listening(InMemoryLockStore store, Action<LockNotice> onNotice) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            lock (store._gate)
            {
                store._listeners.Remove(onNotice);
            }

            return default;
        }
    }
}
