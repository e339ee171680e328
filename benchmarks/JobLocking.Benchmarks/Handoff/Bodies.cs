using System.Diagnostics;

namespace JobLocking.Benchmarks.Handoff;

/// <summary>Connects the bodies of a job with the code that measures them; one at a time.</summary>
internal sealed class Bodies
{
    private volatile Body _next = new();

    /// <summary>The body that begins next.</summary>
    public Body Next() => _next = new Body();

    public Task RunAsync() => _next.RunAsync();

    /// <summary>The body of a job: it only reports when it begins, and lasts until it is released.</summary>
    internal sealed class Body
    {
        private readonly TaskCompletionSource<long> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>The timestamp of its first line.</summary>
        public Task<long> Begun => _begun.Task;

        public void LetGo() => _end.TrySetResult();

        public Task RunAsync()
        {
            _begun.TrySetResult(Stopwatch.GetTimestamp());
            return _end.Task;
        }
    }
}
