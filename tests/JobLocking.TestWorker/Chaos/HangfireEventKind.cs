namespace JobLocking.TestWorker.Chaos;

/// <summary>What a worker of Hangfire may report of a job.</summary>
internal enum HangfireEventKind
{
    /// <summary>Its job was started.</summary>
    Ran,

    /// <summary>It has done its work, and is about to return.</summary>
    Done,
}
