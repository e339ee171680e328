using System.Runtime.InteropServices;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>
/// Renews many leases with few scripts: as many in one as may hold up the other clients of the server, and in a cluster only
/// those of one slot; those of locks with a limit have a script of their own. All scripts are on their way before the first answer is awaited.
/// </summary>
internal sealed class RenewalBatches(IConnectionMultiplexer connection, LockKeys keys)
{
    private const int LargestBatch = 100;

    public async ValueTask SendAsync(ReadOnlyMemory<RenewRequest> leases, Memory<RenewOutcome> outcomes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        outcomes.Span[..leases.Length].Clear(); // Transient, until there is an answer

        (List<int> Batch, Task<RedisResult> Sent)[] all = [.. Batches(leases.Span).Select(batch => (batch, RedisFault.Observed(SendAsync(batch, leases))))];

        // A server that does not answer must not cost the leases on another: their holders have to learn in time that they
        // were renewed. Asked at a third of the expiry, they do so within half of it.
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (all.Length > 1)
        {
            patience.CancelAfter(ShortestExpiry(leases.Span) / 2);
        }

        Exception? failure = null;
        foreach ((List<int> batch, Task<RedisResult> sent) in all)
        {
            try
            {
                string results = (string)(await RedisFault.UntilAsync(sent, patience.Token).ConfigureAwait(false))!;
                Outcomes(results, batch, outcomes.Span);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                failure = new TimeoutException();
            }
            catch (Exception error) when (RedisFault.IsOne(error))
            {
                failure = error;
            }
        }

        // The outcomes of the other batches stand.
        if (failure is not null)
        {
            throw RedisFault.Translate(failure, "Renewing leases");
        }
    }

    private List<List<int>> Batches(ReadOnlySpan<RenewRequest> leases)
    {
        List<List<int>> batches = [];
        Dictionary<(int Slot, bool IsShared), List<int>> open = [];

        // Outside a cluster no key has a slot.
        bool haveSlots = leases.Length > 0 && connection.HashSlot(keys.Lock(leases[0].Name)) >= 0;
        for (int i = 0; i < leases.Length; i++)
        {
            ref readonly RenewRequest lease = ref leases[i];
            ref List<int>? batch = ref CollectionsMarshal.GetValueRefOrAddDefault(
                open, (haveSlots ? connection.HashSlot(keys.Lock(lease.Name)) : -1, IsShared(lease)), out _);
            if (batch is null || batch.Count == LargestBatch)
            {
                batches.Add(batch = []);
            }

            batch.Add(i);
        }

        return batches;
    }

    private static TimeSpan ShortestExpiry(ReadOnlySpan<RenewRequest> leases)
    {
        TimeSpan shortest = TimeSpan.MaxValue;
        foreach (ref readonly RenewRequest lease in leases)
        {
            shortest = lease.Expiry < shortest ? lease.Expiry : shortest;
        }

        return shortest;
    }

    private static bool IsShared(in RenewRequest lease) => lease.Limit > 1;

    private async Task<RedisResult> SendAsync(List<int> batch, ReadOnlyMemory<RenewRequest> leases)
    {
        List<RedisKey> touched = new(batch.Count * 2);
        RedisValue[] values = new RedisValue[batch.Count * 3];
        for (int i = 0; i < batch.Count; i++)
        {
            ref readonly RenewRequest lease = ref leases.Span[batch[i]];
            int before = touched.Count;
            touched.Add(keys.Lock(lease.Name));
            if (IsShared(lease))
            {
                KeysBesideLock beside = keys.Beside(lease.Name);
                touched.Add(beside.Holders);
                touched.Add(beside.Limits);
            }

            if (lease.Occurrence is { } occurrence)
            {
                touched.Add(keys.Beside(lease.Name).Occurrence(occurrence));
            }

            values[i * 3] = lease.LeaseId;
            values[(i * 3) + 1] = Question.Milliseconds(lease.Expiry);
            values[(i * 3) + 2] = touched.Count - before;
        }

        LockScript script = IsShared(leases.Span[batch[0]]) ? LockScripts.RenewShared : LockScripts.Renew;
        return await script.EvaluateAsync(connection.GetDatabase(), [.. touched], values).ConfigureAwait(false);
    }

    private static void Outcomes(string results, List<int> batch, Span<RenewOutcome> outcomes)
    {
        for (int i = 0; i < batch.Count; i++)
        {
            outcomes[batch[i]] = Outcome(results[i]);
        }
    }

    private static RenewOutcome Outcome(char result) => result switch
    {
        'r' => RenewOutcome.Renewed,
        't' => RenewOutcome.NotYours,
        'm' => RenewOutcome.Missing,
        _ => RenewOutcome.Transient,
    };
}
