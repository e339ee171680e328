using System.Diagnostics;

namespace JobLocking.ChaosTests.Network;

/// <summary>The faults of one direction, for all connections of a <see cref="FaultProxy"/>.</summary>
internal sealed class FlowFaults
{
    private readonly Lock _lock = new();

    private bool _drops;

    private bool _holds;

    private TimeSpan _delay;

    private TaskCompletionSource? _cut;

    private long _swallowed;

    private TaskCompletionSource _changed = NewSignal();

    public bool Drops
    {
        get => Read(() => _drops);
        set => Change(() => _drops = value);
    }

    public bool Holds
    {
        get => Read(() => _holds);
        set => Change(() => _holds = value);
    }

    public TimeSpan Delay
    {
        get => Read(() => _delay);
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.Zero);
            Change(() => _delay = value);
        }
    }

    public long Swallowed => Interlocked.Read(ref _swallowed);

    /// <summary>Requests a cut within the next bytes that pass.</summary>
    public Task Cut() => Read(() => (_cut ??= NewSignal()).Task);

    /// <summary>Hands the requested cut to the one caller that makes it.</summary>
    public TaskCompletionSource? TakeCut() => Read(() =>
    {
        TaskCompletionSource? cut = _cut;
        _cut = null;
        return cut;
    });

    public void Mend()
    {
        TakeCut()?.TrySetCanceled();
        Change(() => (_drops, _holds, _delay) = (false, false, TimeSpan.Zero));
    }

    /// <summary>Nothing of this flow passes any more, not even the bytes that wait.</summary>
    public void Break(Flow flow) => Change(() => flow.IsBroken = true);

    /// <summary>Waits as long as the faults require. Returns whether the bytes then pass or are swallowed.</summary>
    public async ValueTask<bool> PassesAsync(Flow flow, long arrived, int length, CancellationToken closing)
    {
        while (true)
        {
            TimeSpan wait = Timeout.InfiniteTimeSpan;
            Task changed;
            lock (_lock)
            {
                // In the same step as the decision: the code that ends the dropping then finds every flow with a gap marked.
                flow.IsBroken |= _drops;
                if (flow.IsBroken)
                {
                    Interlocked.Add(ref _swallowed, Math.Max(length, 1));
                    return false;
                }

                if (!_holds)
                {
                    wait = _delay - Stopwatch.GetElapsedTime(arrived);
                    if (wait <= TimeSpan.Zero)
                    {
                        return true;
                    }

                    // A timer counts whole milliseconds and would round the last one down to zero.
                    wait = TimeSpan.FromMilliseconds(Math.Ceiling(wait.TotalMilliseconds));
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(wait, closing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            closing.ThrowIfCancellationRequested();
        }
    }

    private T Read<T>(Func<T> read)
    {
        lock (_lock)
        {
            return read();
        }
    }

    private void Change(Action change)
    {
        lock (_lock)
        {
            change();
            _changed.SetResult();
            _changed = NewSignal();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
