using Hangfire;

namespace JobLocking.Hangfire;

/// <summary>
/// The job that a worker performs, for jobs that are performed inside it. Hangfire knows the outer job only: it has the id, the
/// states and the parameters, so what an inner job leaves for its next attempt is kept there.
/// </summary>
internal sealed class OuterJob(BackgroundJob job)
{
    private static readonly AsyncLocal<OuterJob?> Ambient = new();

    private readonly Lock _gate = new();
    private List<TurnedAway>? _turnedAway;
    private bool _isOver;

    /// <summary>That of the worker from which the present code was called; null if a job is performed by other code.</summary>
    public static OuterJob? Current => Ambient.Value;

    public BackgroundJob Job => job;

    /// <summary>Its record as it was when it began: what one inner job writes must not make a second attempt of the next.</summary>
    public AttemptRecord? Record { get; set; }

    /// <summary>A worker begins to perform a job: it is the outer one until the worker begins the next.</summary>
    /// <param name="job">The job.</param>
    public static void Begin(BackgroundJob job)
    {
        // A second filter of the same worker finds it.
        if (Ambient.Value?.Job != job)
        {
            Ambient.Value = new OuterJob(job);
        }
    }

    /// <summary>A worker has performed a job.</summary>
    /// <returns>What was turned away inside it.</returns>
    public static IReadOnlyList<TurnedAway> End(BackgroundJob job)
    {
        if (Ambient.Value is not { } outer || outer.Job != job)
        {
            return [];
        }

        Ambient.Value = null;
        lock (outer._gate)
        {
            outer._isOver = true;
            return outer._turnedAway ?? [];
        }
    }

    /// <summary>An inner job was turned away.</summary>
    /// <returns>False if the outer job has ended: then no state of a job can say so any more.</returns>
    public bool TryAdd(TurnedAway turnedAway)
    {
        lock (_gate)
        {
            if (!_isOver)
            {
                (_turnedAway ??= []).Add(turnedAway);
            }

            return !_isOver;
        }
    }
}
