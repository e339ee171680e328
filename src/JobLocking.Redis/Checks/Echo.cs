using System.Collections.Concurrent;
using JobLocking.Redis.Connections;
using StackExchange.Redis;

namespace JobLocking.Redis.Checks;

/// <summary>
/// Receives the notifications of a check on the channel of the process. No command is sent for that where the process has subscribed
/// already.
/// </summary>
internal sealed class Echo(IConnectionMultiplexer connection, RedisChannel channel) : IDisposable
{
    public const string Consequence =
        " Until that works, waiting jobs start up to 5 s late, and a broken lock is noticed at its next renewal.";

    private readonly ConcurrentDictionary<string, TaskCompletionSource> _expected = new(StringComparer.Ordinal);

    private ISubscriber? _subscriber;

    /// <returns>Why this process cannot subscribe; null if it did.</returns>
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

    public Task HearAsync(string message) =>
        _expected.GetOrAdd(message, static _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    // Where the process has a subscription of its own, that stays.
    public void Dispose() =>
        _ = _subscriber is null ? Task.CompletedTask : RedisFault.Observed(_subscriber.UnsubscribeAsync(channel, OnMessage));

    private void OnMessage(RedisChannel from, RedisValue message)
    {
        if (_expected.TryGetValue((string?)message ?? "", out TaskCompletionSource? heard))
        {
            heard.TrySetResult();
        }
    }
}
