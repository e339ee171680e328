using System.Globalization;
using JobLocking.Redis.Keys;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Scripts;

/// <summary>
/// The keys and arguments of each script, in the order of its header, and no key that the call does not need. A script touches its
/// declared keys only.
/// </summary>
internal static class ScriptCalls
{
    public static ScriptCall Acquire(
        LockKeys keys, AcquireRequest request, string processId, byte[] holder, TimeSpan? tokenRetention = null)
    {
        const int AfterOthers = 10;
        DerivedKeys derived = keys.Derived(request.Name);
        RedisKey[] all = request.Waiter is null
            ? Keys(derived, null, request.Occurrence, keys.Lock(request.Name), derived.Fence)
            : Keys(
                derived, request.Waiter.Spends, request.Occurrence,
                keys.Lock(request.Name), derived.Fence, derived.Queue, derived.Waiters);
        RedisValue[] values = request.Waiter is null
            ? Lease(request, processId, holder, tokenRetention)
            : [.. Lease(request, processId, holder, tokenRetention), .. Waiter(request.Waiter), .. SpentFor(request.Waiter)];
        if (!request.AsksWhetherHolderAnswers)
        {
            return new ScriptCall(LockScripts.Acquire, all, values);
        }

        values = [.. values, .. Enumerable.Repeat(RedisValue.EmptyString, AfterOthers - values.Length), default, default];
        return new ScriptCall(LockScripts.Acquire, all, values, ChannelPrefixAt: AfterOthers);
    }

    public static ScriptCall AcquireShared(LockKeys keys, AcquireRequest request, string processId, byte[] holder)
    {
        DerivedKeys derived = keys.Derived(request.Name);
        return new ScriptCall(
            LockScripts.AcquireShared,
            Keys(
                derived, request.Waiter?.Spends, request.Occurrence,
                keys.Lock(request.Name), derived.Fence, derived.Queue, derived.Waiters, derived.Holders, derived.Limits),
            [
                .. Lease(request, processId, holder), request.Limit, default, default, request.AsksWhetherHolderAnswers ? "1" : "0",
                .. Waiter(request.Waiter), .. SpentFor(request.Waiter),
            ],
            ChannelPrefixAt: 7);
    }

    public static ScriptCall Release(LockKeys keys, ReleaseRequest request)
    {
        DerivedKeys derived = keys.Derived(request.Name);
        return new ScriptCall(
            LockScripts.Release,
            Keys(derived, request.Spends, request.Occurrence?.Occurrence, keys.Lock(request.Name), derived.Queue, derived.Waiters),
            End(request),
            ChannelPrefixAt: 4);
    }

    public static ScriptCall ReleaseShared(LockKeys keys, ReleaseRequest request)
    {
        DerivedKeys derived = keys.Derived(request.Name);
        return new ScriptCall(
            LockScripts.ReleaseShared,
            Keys(
                derived, request.Spends, request.Occurrence?.Occurrence,
                keys.Lock(request.Name), derived.Queue, derived.Waiters, derived.Holders, derived.Limits),
            End(request),
            ChannelPrefixAt: 4);
    }

    public static ScriptCall Decline(LockKeys keys, DeclineRequest request) => new(
        LockScripts.Decline,
        KeysOfAnyLimit(keys, request.Name),
        request.NotAcceptedBy is { } waiter ? [default, default, waiter] : [default, default],
        ChannelPrefixAt: 0);

    public static ScriptCall Leave(LockKeys keys, LeaveRequest request) =>
        new(LockScripts.Leave, KeysOfAnyLimit(keys, request.Name), [default, default, request.WaiterId], ChannelPrefixAt: 0);

    public static ScriptCall Poll(LockKeys keys, PollRequest request, string processId)
    {
        DerivedKeys derived = keys.Derived(request.Name);
        bool isShared = request.Limit > 1;
        return new ScriptCall(
            isShared ? LockScripts.PollShared : LockScripts.Poll,
            isShared
                ? Keys(
                    derived, null, request.Occurrence,
                    keys.Lock(request.Name), derived.Queue, derived.Waiters, derived.Holders, derived.Limits)
                : Keys(derived, null, request.Occurrence, keys.Lock(request.Name), derived.Queue, derived.Waiters),
            [
                .. Waiter(request.Waiter), processId, request.Limit, HolderJson.Write(request.Holder), default, default,
                .. (request.Others ?? []).SelectMany(Other),
            ],
            ChannelPrefixAt: 6);
    }

    public static ScriptCall Break(LockKeys keys, string name, long fencingToken) => new(
        LockScripts.Break,
        KeysOfAnyLimit(keys, name),
        [fencingToken.ToString(CultureInfo.InvariantCulture), default, default],
        ChannelPrefixAt: 1);

    private static RedisValue[] Lease(AcquireRequest request, string processId, byte[] holder, TimeSpan? tokenRetention = null) =>
    [
        request.LeaseId,
        ScriptCall.Milliseconds(request.Expiry),
        processId,
        holder,
        ScriptCall.Milliseconds(tokenRetention ?? KeyLifetimes.LastFencingToken),
        request.Occurrence is { IsRetry: true } ? "1" : "0",
    ];

    private static RedisValue[] End(ReleaseRequest request)
    {
        OccurrenceEnd? end = request.Occurrence;
        return
        [
            request.LeaseId,
            request.KeepFor > TimeSpan.Zero ? ScriptCall.Milliseconds(request.KeepFor) : 0,
            end is null or { Outcome: OccurrenceOutcome.Unfinished } ? "" : OccurrenceMark.Of(end),
            ScriptCall.Milliseconds(end?.Retention ?? TimeSpan.Zero),
            default,
            default,
            request.Spends is null ? "0" : "1",
        ];
    }

    private static RedisValue[] Waiter(WaiterEntry? entry) =>
        entry is null ? [] : [entry.Id, entry.Since, entry.LapsesAfter > TimeSpan.Zero ? ScriptCall.Milliseconds(entry.LapsesAfter) : 0];

    private static RedisValue[] SpentFor(WaiterEntry? entry) =>
        entry is { Spends: not null, SpentFor: var spentFor } ? [ScriptCall.Milliseconds(spentFor)] : [];

    private static RedisValue[] Other(OtherWaiter other) => [.. Waiter(other.Waiter), other.Limit, HolderJson.Write(other.Holder)];

    /// <summary>The keys of a script that handles locks with and without a limit above 1.</summary>
    private static RedisKey[] KeysOfAnyLimit(LockKeys keys, string name)
    {
        DerivedKeys derived = keys.Derived(name);
        return [keys.Lock(name), derived.Queue, derived.Waiters, derived.Holders, derived.Limits];
    }

    /// <summary>The mark of a deferral comes after the other keys, and the occurrence last, if there are any.</summary>
    private static RedisKey[] Keys(DerivedKeys derived, string? spends, LockOccurrence? occurrence, params ReadOnlySpan<RedisKey> always)
    {
        RedisKey[] all = new RedisKey[always.Length + (spends is null ? 0 : 1) + (occurrence is null ? 0 : 1)];
        always.CopyTo(all);
        if (spends is not null)
        {
            all[always.Length] = derived.Spent(spends);
        }

        if (occurrence is not null)
        {
            all[^1] = derived.Occurrence(occurrence);
        }

        return all;
    }
}
