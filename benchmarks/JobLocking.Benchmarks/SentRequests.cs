using StackExchange.Redis;

namespace JobLocking.Benchmarks;

internal static class SentRequests
{
    /// <summary>The requests that a client has sent: a script is one request, whatever it does on the server.</summary>
    public static long TotalSent(this ServerCounters counters) => counters.Interactive.OperationCount + counters.Subscription.OperationCount;
}
