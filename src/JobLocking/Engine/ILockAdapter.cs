namespace JobLocking.Engine;

/// <summary>The adapter between the locks of one host and one kind of scheduler, as the start of the host sees it.</summary>
public interface ILockAdapter
{
    /// <summary>The kind of scheduler: <c>Hangfire</c> or <c>Quartz</c>.</summary>
    string Scheduler { get; }

    /// <summary>
    /// Finds jobs that would run without their lock, and reports the jobs of its schedulers to <see cref="LockAdapters.Use"/>. Called when
    /// the services of the host have started, before its schedulers. It logs what is uncertain.
    /// </summary>
    /// <param name="cancellationToken">Gives up the start.</param>
    /// <exception cref="TaskLockException">A job would certainly run without its lock, or its lock is declared wrongly.</exception>
    ValueTask CheckAsync(CancellationToken cancellationToken);

    /// <summary>The container of the host was disposed: from now on, no job can get its lock.</summary>
    void End();
}
