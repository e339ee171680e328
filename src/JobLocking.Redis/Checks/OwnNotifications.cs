using System.Collections.Concurrent;
using JobLocking.Redis.Connections;
using StackExchange.Redis;

namespace JobLocking.Redis.Checks;

/// <summary>
/// Receives the notifications that a check sends to its own process. If the process is subscribed already, no command is sent.
/// </summary>
internal sealed class OwnNotifications(IConnectionMultiplexer connection, RedisChannel channel) : IDisposable
{
    public const string Consequence =
        " Until this works, waiting jobs start up to 5 s late, and broken locks are detected at the next renewal.";

    private readonly ConcurrentDictionary<string, TaskCompletionSource> _expected = new(StringComparer.Ordinal);

    private ISubscriber? _subscriber;

    /// <returns>Why this process cannot subscribe; null if it is subscribed.</returns>
    public async Task<string?> SubscribeAsync(CancellationToken cancellationToken)
    {
        try
        {
            _subscriber = connection.GetSubscriber();
            await RedisFault.Observed(_subscriber.SubscribeAsync(channel, OnMessage)).WaitAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception error) when (RedisFault.IsOne(error) || error is NotSupportedException)
        {
            return $"{RedisFault.Translate(error, ProcessChannel.What).Message}{Consequence}";
        }
    }

    public Task ReceiveAsync(string message) =>
        _expected.GetOrAdd(message, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    // The subscription of the process itself stays.
    public void Dispose() =>
        _ = _subscriber is null ? Task.CompletedTask : RedisFault.Observed(_subscriber.UnsubscribeAsync(channel, OnMessage));

    private void OnMessage(RedisChannel from, RedisValue message)
    {
        if (_expected.TryGetValue((string?)message ?? "", out TaskCompletionSource? received))
        {
            received.TrySetResult();
        }
    }
}
