namespace JobLocking.Quartz;

/// <summary>
/// The middleware and the listener of one scheduler. Quartz creates them separately, but they share their parts.
/// </summary>
internal sealed class SchedulerParts
{
    private readonly Lock _making = new();
    private (TaskLockMiddleware Middleware, VetoListener Vetoes)? _made;

    public TaskLockMiddleware Middleware => _made!.Value.Middleware;

    public VetoListener Vetoes => _made!.Value.Vetoes;

    /// <summary>Makes them, if they are not made yet.</summary>
    public SchedulerParts Make(Func<(TaskLockMiddleware Middleware, VetoListener Vetoes)> make)
    {
        lock (_making)
        {
            _made ??= make();
        }

        return this;
    }
}
