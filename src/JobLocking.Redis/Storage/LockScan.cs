using System.Runtime.CompilerServices;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>Finds the locks on one server: keys page by page, and the values of a page in one go.</summary>
/// <remarks>What has been <paramref name="seen"/> on any server is not shown again: SCAN may find a key twice.</remarks>
internal sealed class LockScan(IDatabase database, IServer server, LockKeys keys, HashSet<string> seen)
{
    private const int PageSize = 250;

    public async IAsyncEnumerable<HeldLock> RunAsync(string? prefix, string what, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        IAsyncEnumerator<RedisKey> found = server.KeysAsync(database.Database, keys.Pattern(prefix), PageSize).GetAsyncEnumerator(cancellationToken);
        await using (found.ConfigureAwait(false))
        {
            for (bool more = true; more;)
            {
                List<HeldLock> page;
                try
                {
                    (page, more) = await PageAsync(found, cancellationToken).ConfigureAwait(false);
                }
                catch (Exception error) when (RedisFault.IsOne(error))
                {
                    throw RedisFault.Translate(error, what);
                }

                foreach (HeldLock held in page)
                {
                    yield return held;
                }
            }
        }
    }

    private async Task<(List<HeldLock> Held, bool More)> PageAsync(IAsyncEnumerator<RedisKey> found, CancellationToken cancellationToken)
    {
        List<(string Name, Task<RedisResult> Sent)> page = new(PageSize);
        bool more = false;
        while (page.Count < PageSize && (more = await found.MoveNextAsync().ConfigureAwait(false)))
        {
            string name = keys.Name(found.Current);
            if (seen.Add(name))
            {
                KeysBesideLock beside = keys.Beside(name);
                page.Add((name, RedisFault.Observed(LockScripts.Peek.EvaluateAsync(
                    database, [found.Current, beside.Parked, beside.Waiters, beside.Holders], []).AsTask())));
            }
        }

        List<HeldLock> held = new(page.Count);
        foreach ((string name, Task<RedisResult> sent) in page)
        {
            RedisResult answer = await RedisFault.UntilAsync(sent, cancellationToken).ConfigureAwait(false);
            if (!answer.IsNull)
            {
                held.AddRange(Held(name, answer));
            }
        }

        return (held, more);
    }

    private static IEnumerable<HeldLock> Held(string name, RedisResult answer)
    {
        ParkedExecution[] parked = [.. ((RedisResult[])answer[1]!).Chunk(2).Select(Parked).OfType<ParkedExecution>()];
        foreach (RedisResult[] holder in ((RedisResult[])answer[0]!).Chunk(2))
        {
            LockValue value = LockValue.Parse(Answer.Bytes(holder[0]));
            yield return new HeldLock(name, value.Holder, value.FencingToken, Answer.TimeLeft(holder[1]), value.IsKept, parked);
        }
    }

    // A stranger may have left anything under the keys of the queue.
    private static ParkedExecution? Parked(RedisResult[] entry) =>
        WaiterValue.Holder(Answer.Bytes(entry[1])) is { } waiter && (double)entry[0] is >= 0 and < 9e15 and var since
            ? new ParkedExecution(waiter, DateTimeOffset.UnixEpoch.AddMicroseconds(since))
            : null;
}
