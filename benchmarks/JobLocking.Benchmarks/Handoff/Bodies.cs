using System.Diagnostics;

namespace JobLocking.Benchmarks.Handoff;

/// <summary>Where the bodies of a job meet who measures them; one at a time.</summary>
internal sealed class Bodies
{
    private volatile Body _next = new();

    /// <summary>The one that begins next.</summary>
    public Body Next() => _next = new Body();

    public Task RunAsync() => _next.RunAsync();

    /// <summary>The body of a job: all it does is to tell when it begins, and to last until it is let go.</summary>
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
