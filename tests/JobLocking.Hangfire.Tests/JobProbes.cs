using System.Collections.Concurrent;

namespace JobLocking.Hangfire.Tests;

/// <summary>Lets a test watch the runs of its jobs, hold them and make them fail. Each job names the probe that it runs with.</summary>
public sealed class JobProbes
{
    private readonly ConcurrentDictionary<string, JobProbe> _probes = [];

    private readonly ConcurrentQueue<string> _begun = [];

    /// <summary>The names of the probes, in the order in which runs began.</summary>
    public IReadOnlyCollection<string> Begun => _begun;

    public JobProbe this[string name] => _probes.GetOrAdd(name, _ => new JobProbe(() => _begun.Enqueue(name)));
}

/// <summary>The runs of the jobs that have the same probe.</summary>
public sealed class JobProbe(Action onBegin)
{
    private readonly ConcurrentQueue<string?> _locks = [];

    private TaskCompletionSource _gate = Opened();

    private int _begun;

    private int _ended;

    public int Begun => Volatile.Read(ref _begun);

    public int Ended => Volatile.Read(ref _ended);

    /// <summary>The locks that the accessor found in each run, before and after an await; null for none.</summary>
    public IReadOnlyCollection<string?> Locks => _locks;

    /// <summary>The lease of the last run.</summary>
    public TaskLease? Lease { get; private set; }

    /// <summary>What the next runs throw at their end.</summary>
    public Exception? Failure { get; set; }

    public void Hold() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release() => _gate.TrySetResult();

    public async Task RunAsync(ITaskLeaseAccessor leases, CancellationToken cancellationToken)
    {
        Lease = leases.Current;
        _locks.Enqueue(Lease?.Name);
        onBegin();
        Interlocked.Increment(ref _begun);
        await _gate.Task.WaitAsync(cancellationToken);
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
