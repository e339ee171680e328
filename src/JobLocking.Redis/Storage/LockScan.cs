using System.Runtime.CompilerServices;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>Finds the locks on one server: keys page by page, and the values of a page in one go.</summary>
internal sealed class LockScan(IDatabase database, IServer server, LockKeys keys)
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
        List<(RedisKey Key, Task<RedisResult> Sent)> page = new(PageSize);
        bool more = false;
        while (page.Count < PageSize && (more = await found.MoveNextAsync().ConfigureAwait(false)))
        {
            RedisKey key = found.Current;
            page.Add((key, RedisFault.Observed(database.ScriptEvaluateAsync(LockScripts.Peek, [key], [], CommandFlags.DemandMaster))));
        }

        List<HeldLock> held = new(page.Count);
        foreach ((RedisKey key, Task<RedisResult> sent) in page)
        {
            RedisResult answer = await RedisFault.UntilAsync(sent, cancellationToken).ConfigureAwait(false);
            if (!answer.IsNull)
            {
                LockValue value = LockValue.Parse(RedisLockStore.Bytes(answer[0]));
                held.Add(new HeldLock(keys.Name(key), value.Holder, value.FencingToken, RedisLockStore.TimeLeft(answer[1]), value.IsKept, []));
            }
        }

        return (held, more);
    }
}
