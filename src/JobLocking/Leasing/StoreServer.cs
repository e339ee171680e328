using JobLocking.Stores;
using JobLocking.Telemetry;
using Microsoft.Extensions.Logging;
using static System.FormattableString;

namespace JobLocking.Leasing;

/// <summary>A request that the gate has let through to a server of the store.</summary>
/// <param name="SentAt">When it was sent.</param>
/// <param name="IsRetry">It was sent before and not answered.</param>
/// <param name="IsProbe">The only request that is sent to a silent server, to find out whether it answers again.</param>
internal readonly record struct StorePass(long SentAt, bool IsRetry, bool IsProbe);

/// <summary>What is known about one server of the store: whether it answers, and since when it does not.</summary>
internal sealed class StoreServer(object id, ILockStore store, TimeProvider time, ILogger logger)
{
    private readonly Lock _gate = new();

    private volatile Silence? _silence;

    private volatile Outage? _outage;

    private Task? _reconnecting;

    private int _underWay;

    private long _answeredAt = long.MinValue;

    // Since when requests have been sent and none was answered; 0 while there are none.
    private long _owedSince;

    /// <summary>From the first unanswered request to the next answer.</summary>
    private sealed class Silence(long since, int losses)
    {
        public long Since => since;

        /// <summary>
        /// How often the connection had been lost at that time. If it has been lost since, the silence belonged to another connection.
        /// </summary>
        public int Losses => losses;

        public long Until { get; set; }

        public bool IsProbed { get; set; }
    }

    /// <summary>What the log reports: from the first acquire that failed to the next answer.</summary>
    private sealed class Outage(string name, long since)
    {
        public string Name => name;

        public long Since => since;

        public long Count { get; set; }

        public LockStoreFault LastFault { get; set; }

        public long LastAt { get; set; }

        public long? AnsweredAt { get; set; }
    }

    /// <summary>Whether it has answered at all since the process started.</summary>
    public bool HasAnswered => Volatile.Read(ref _answeredAt) != long.MinValue;

    /// <summary>Whether it did not answer the last request, or refused it.</summary>
    public bool IsInTrouble => _silence is not null || _outage is not null;

    /// <summary>How long it has been unreachable, as far as that is known.</summary>
    public TimeSpan AwayFor(in LockServer at)
    {
        TimeSpan silent = _silence is { } silence ? time.GetElapsedTime(silence.Since) : TimeSpan.Zero;
        return at.GoneFor > silent ? at.GoneFor : silent;
    }

    /// <summary>Completes when the connection is back, or has been gone for too long. All waiting requests share one poll.</summary>
    public Task ReconnectAsync(string name, TimeSpan longest)
    {
        lock (_gate)
        {
            if (_reconnecting is null)
            {
                TaskCompletionSource reconnecting = new(TaskCreationOptions.RunContinuationsAsynchronously);
                _reconnecting = reconnecting.Task;

                // It must not run in the execution context of the first job that waits, with its ambient lease and its trace.
                using (ExecutionContext.SuppressFlow())
                {
                    _ = Task.Run(() => PollAsync(name, longest, reconnecting));
                }
            }

            return _reconnecting;
        }
    }

    /// <summary>A request is about to be sent.</summary>
    /// <exception cref="LockStoreException">The server is silent, and the request must not be sent.</exception>
    public StorePass Enter(in LockServer at, LockWorkers? workers, bool isRetry)
    {
        bool isProbe = _silence is not null && BeginProbe(at, isRetry);
        long now = time.GetTimestamp();
        long owedSince = Volatile.Read(ref _owedSince);
        bool isLate = owedSince != 0 && time.GetElapsedTime(owedSince, now) >= LeaseTimes.AnswerIsLate;
        if (!isProbe && !isRetry && HasAnswered && workers is { AreManyAsking: true } && isLate)
        {
            throw Unanswered(owedSince);
        }

        Interlocked.Increment(ref _underWay);
        Interlocked.CompareExchange(ref _owedSince, now, 0);
        workers?.Ask();
        return new StorePass(now, isRetry, isProbe);
    }

    /// <summary>The request is over, answered or not.</summary>
    public void Leave(StorePass pass, LockWorkers? workers)
    {
        workers?.EndAsk();
        if (Interlocked.Decrement(ref _underWay) == 0)
        {
            Volatile.Write(ref _owedSince, 0);
        }

        if (pass.IsProbe)
        {
            lock (_gate)
            {
                if (_silence is { } silence)
                {
                    silence.IsProbed = false;
                }
            }
        }
    }

    /// <param name="isRenewal">
    /// A server that is full, or that forbids an acquire, still renews: such an answer does not end an outage of refusals.
    /// </param>
    public void Answered(bool isRenewal = false)
    {
        Volatile.Write(ref _answeredAt, time.GetTimestamp());
        Volatile.Write(ref _owedSince, 0);
        if (_silence is not null)
        {
            lock (_gate)
            {
                _silence = null;
            }
        }

        if (_outage is { } outage && !(isRenewal && outage.LastFault == LockStoreFault.Refused))
        {
            End(isAnswer: true);
        }
    }

    public void Failed(in LockServer at, StorePass pass, LockStoreFault fault)
    {
        // On a busy machine this process may have caused the first time-out: the second attempt decides.
        if (fault == LockStoreFault.Unanswered && !pass.IsRetry && !pass.IsProbe)
        {
            return;
        }

        lock (_gate)
        {
            // One lost answer between others that arrived is no silence. The next request itself notices a lost connection.
            if (fault == LockStoreFault.Unanswered && at.IsConnected && pass.SentAt > Volatile.Read(ref _answeredAt))
            {
                _silence ??= new Silence(pass.SentAt, at.Losses);
                _silence.Until = Deadline.Add(time, time.GetTimestamp(), LeaseTimes.SilencePause);
            }
            else if (fault == LockStoreFault.Refused)
            {
                Volatile.Write(ref _answeredAt, time.GetTimestamp());
                _silence = null;
            }
        }
    }

    public void Unavailable(in LockServer at, string name, LockStoreException error)
    {
        long now = time.GetTimestamp();
        bool begins;
        lock (_gate)
        {
            // A lock that is refused for a reason of its own must not hide that the store is unreachable.
            begins = _outage is null || (_outage.LastFault == LockStoreFault.Refused && error.Fault != LockStoreFault.Refused);
            _outage ??= new Outage(name, Deadline.Add(time, now, -AwayFor(at)));
            _outage.Count++;
            _outage.LastFault = error.Fault;
            _outage.LastAt = now;
            _outage.AnsweredAt = null;
        }

        if (begins)
        {
            Log.Unavailable(logger, error, name, error.Message);
        }
    }

    public void Reconnected()
    {
        // Before its first connection is made, a store does not know all of its servers.
        if (_outage is { } outage
            && store.ServerOf(outage.Name) is { IsConnected: true } at
            && (outage.LastFault == LockStoreFault.Disconnected || !at.Id.Equals(id)))
        {
            End(isAnswer: false);
        }
    }

    /// <summary>Its name in logs and exceptions.</summary>
    public override string ToString() => id.ToString() ?? "the store";

    private void End(bool isAnswer)
    {
        Outage? ended;
        long now = time.GetTimestamp();
        lock (_gate)
        {
            ended = _outage;
            if (ended is null)
            {
                return;
            }

            // A server that refuses one lock may answer for another: the outage is over when nothing was refused for a while.
            ended.AnsweredAt ??= now;
            if (isAnswer && ended.LastFault == LockStoreFault.Refused && time.GetElapsedTime(ended.LastAt, now) < LeaseTimes.SilencePause)
            {
                return;
            }

            _outage = null;
        }

        Log.AvailableAgain(logger, ToString(), time.GetElapsedTime(ended.Since, ended.AnsweredAt.Value), ended.Count);
    }

    private bool BeginProbe(in LockServer at, bool isRetry)
    {
        lock (_gate)
        {
            if (_silence is not { } silence)
            {
                return false;
            }

            if (silence.Losses != at.Losses)
            {
                _silence = null;
                return false;
            }

            // On a busy machine this process may have caused the time-out. A retry is then usually answered at once.
            if (isRetry)
            {
                return false;
            }

            if (silence.IsProbed || Deadline.Until(time, silence.Until) > TimeSpan.Zero)
            {
                throw Unanswered(silence.Since);
            }

            return silence.IsProbed = true;
        }
    }

    private LockStoreException Unanswered(long since) =>
        new(Invariant($"{this} has not answered for {time.GetElapsedTime(since).TotalSeconds:0.0} seconds."), mayHaveBeenApplied: false)
        {
            Fault = LockStoreFault.Unanswered,
        };

    private async Task PollAsync(string name, TimeSpan longest, TaskCompletionSource reconnecting)
    {
        try
        {
            while (store.ServerOf(name) is { IsConnected: false } at && at.Id.Equals(id) && AwayFor(at) < longest)
            {
                await Task.Delay(LeaseTimes.ReconnectPoll, time).ConfigureAwait(false);
            }
        }
        finally
        {
            lock (_gate)
            {
                _reconnecting = null;
            }

            reconnecting.SetResult();
        }
    }
}
