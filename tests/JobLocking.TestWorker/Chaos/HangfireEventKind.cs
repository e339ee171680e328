namespace JobLocking.TestWorker.Chaos;

/// <summary>What a Hangfire worker may report about a job.</summary>
internal enum HangfireEventKind
{
    /// <summary>Its job was started.</summary>
    Ran,

    /// <summary>It has done its work, and is about to return.</summary>
    Done,
}
