using System.Collections.Concurrent;

namespace JobLocking.Hangfire.Tests;

/// <summary>Where the jobs of a test play: it sees them, holds them and makes them fail.</summary>
public sealed class Stage
{
    private readonly ConcurrentDictionary<string, Scene> _scenes = [];

    private readonly ConcurrentQueue<string> _played = [];

    /// <summary>The names of the scenes as they were begun.</summary>
    public IReadOnlyCollection<string> Played => _played;

    public Scene this[string name] => _scenes.GetOrAdd(name, _ => new Scene(() => _played.Enqueue(name)));
}

public sealed class Scene(Action onBegin)
{
    private readonly ConcurrentQueue<string?> _locks = [];

    private TaskCompletionSource _curtain = Opened();

    private int _begun;

    private int _ended;

    public int Begun => Volatile.Read(ref _begun);

    public int Ended => Volatile.Read(ref _ended);

    /// <summary>The locks under which it was played, by the accessor, before and after an await; null for none.</summary>
    public IReadOnlyCollection<string?> Locks => _locks;

    /// <summary>The lease of the last performance.</summary>
    public TaskLease? Lease { get; private set; }

    /// <summary>What the next performances throw at their end.</summary>
    public Exception? Failure { get; set; }

    public void Hold() => _curtain = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release() => _curtain.TrySetResult();

    public async Task PlayAsync(ITaskLeaseAccessor leases, CancellationToken cancellationToken)
    {
        Lease = leases.Current;
        _locks.Enqueue(Lease?.Name);
        onBegin();
        Interlocked.Increment(ref _begun);
        await _curtain.Task.WaitAsync(cancellationToken);
        await Task.Yield();
        _locks.Enqueue(leases.Current?.Name);
        if (Failure is { } failure)
        {
            throw failure;
        }

        Interlocked.Increment(ref _ended);
    }

    private static TaskCompletionSource Opened()
    {
        TaskCompletionSource source = new();
        source.SetResult();
        return source;
    }
}
