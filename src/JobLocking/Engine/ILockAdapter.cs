namespace JobLocking.Engine;

/// <summary>What puts the locks of one host in front of the jobs of one kind of scheduler, as the start of the host sees it.</summary>
public interface ILockAdapter
{
    /// <summary>The kind of scheduler: <c>Hangfire</c> or <c>Quartz</c>.</summary>
    string Scheduler { get; }

    /// <summary>
    /// Looks for jobs that would run without their lock, and tells <see cref="LockAdapters.Use"/> which jobs its schedulers have.
    /// Called when the services of the host have started, before its schedulers do. It logs what is uncertain.
    /// </summary>
    /// <param name="cancellationToken">The start was given up.</param>
    /// <exception cref="TaskLockException">A job would certainly run without its lock, or its lock is declared wrongly.</exception>
    ValueTask CheckAsync(CancellationToken cancellationToken);

    /// <summary>The container of the host was disposed: no job can have its lock from here any more.</summary>
    void End();
}
