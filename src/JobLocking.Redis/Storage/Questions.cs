using System.Globalization;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Storage;

/// <summary>
/// What each script is given, in the order of its header; no key more than the case needs. Declared keys are all that a
/// script touches.
/// </summary>
internal static class Questions
{
    private const long FenceLifetimeMs = 24 * 60 * 60 * 1000;

    public static Question Acquire(
        LockKeys keys, AcquireRequest request, string processId, byte[] holder, long fenceLifetimeMs = FenceLifetimeMs)
    {
        KeysBesideLock beside = keys.Beside(request.Name);
        return new Question(
            LockScripts.Acquire,
            request.Parking is null
                ? Keys(beside, null, request.Occurrence, keys.Lock(request.Name), beside.Fence)
                : Keys(
                    beside, request.Parking.Spends, request.Occurrence,
                    keys.Lock(request.Name), beside.Fence, beside.Parked, beside.Waiters),
            request.Parking is null
                ? Lease(request, processId, holder, fenceLifetimeMs)
                : [.. Lease(request, processId, holder, fenceLifetimeMs), .. Place(request.Parking), .. Memory(request.Parking)]);
    }

    public static Question AcquireShared(LockKeys keys, AcquireRequest request, string processId, byte[] holder)
    {
        KeysBesideLock beside = keys.Beside(request.Name);
        return new Question(
            LockScripts.AcquireShared,
            Keys(
                beside, request.Parking?.Spends, request.Occurrence,
                keys.Lock(request.Name), beside.Fence, beside.Parked, beside.Waiters, beside.Holders, beside.Limits),
            [.. Lease(request, processId, holder, FenceLifetimeMs), request.Limit, default, default, .. Place(request.Parking), .. Memory(request.Parking)],
            Publishes: 7);
    }

    public static Question Release(LockKeys keys, ReleaseRequest request)
    {
        KeysBesideLock beside = keys.Beside(request.Name);
        return new Question(
            LockScripts.Release,
            Keys(beside, request.Spends, request.Occurrence?.Occurrence, keys.Lock(request.Name), beside.Parked, beside.Waiters),
            End(request),
            Publishes: 5);
    }

    public static Question ReleaseShared(LockKeys keys, ReleaseRequest request)
    {
        KeysBesideLock beside = keys.Beside(request.Name);
        return new Question(
            LockScripts.ReleaseShared,
            Keys(
                beside, request.Spends, request.Occurrence?.Occurrence,
                keys.Lock(request.Name), beside.Parked, beside.Waiters, beside.Holders, beside.Limits),
            End(request),
            Publishes: 5);
    }

    public static Question Look(LockKeys keys, LookRequest request, string processId)
    {
        KeysBesideLock beside = keys.Beside(request.Name);
        bool isShared = request.Limit > 1;
        return new Question(
            isShared ? LockScripts.LookShared : LockScripts.Look,
            isShared
                ? Keys(
                    beside, null, request.Occurrence,
                    keys.Lock(request.Name), beside.Parked, beside.Waiters, beside.Holders, beside.Limits)
                : Keys(beside, null, request.Occurrence, keys.Lock(request.Name), beside.Parked, beside.Waiters),
            [
                .. Place(request.Parking), processId, request.Limit, HolderJson.Write(request.Holder), default, default,
                .. (request.Others ?? []).SelectMany(Other),
            ],
            Publishes: 6);
    }

    public static Question Break(LockKeys keys, string name, long fencingToken)
    {
        KeysBesideLock beside = keys.Beside(name);
        return new Question(
            LockScripts.Break,
            [keys.Lock(name), beside.Parked, beside.Waiters, beside.Holders, beside.Limits],
            [fencingToken.ToString(CultureInfo.InvariantCulture), default, default],
            Publishes: 1);
    }

    private static RedisValue[] Lease(AcquireRequest request, string processId, byte[] holder, long fenceLifetimeMs) =>
    [
        request.LeaseId,
        Question.Milliseconds(request.Expiry),
        processId,
        holder,
        fenceLifetimeMs,
        request.Occurrence is { IsRetry: true } ? "1" : "0",
    ];

    private static RedisValue[] End(ReleaseRequest request)
    {
        OccurrenceEnd? end = request.Occurrence;
        return
        [
            request.LeaseId ?? "",
            request.KeepFor > TimeSpan.Zero ? Question.Milliseconds(request.KeepFor) : 0,
            end is null or { Outcome: OccurrenceOutcome.Unfinished } ? "" : OccurrenceMark.Of(end),
            Question.Milliseconds(end?.Retention ?? TimeSpan.Zero),
            request.ParkingId ?? "",
            default,
            default,
            request.Spends is null ? "0" : "1",
            .. request.Unaccepted is { } woken ? (RedisValue[])[woken] : [],
        ];
    }

    private static RedisValue[] Place(Parking? parking) =>
        parking is null ? [] : [parking.Id, parking.Since, parking.Patience > TimeSpan.Zero ? Question.Milliseconds(parking.Patience) : 0];

    private static RedisValue[] Memory(Parking? parking) =>
        parking is { Spends: not null, SpentFor: var memory } ? [Question.Milliseconds(memory)] : [];

    private static RedisValue[] Other(OtherPlace other) => [.. Place(other.Parking), other.Limit, HolderJson.Write(other.Holder)];

    /// <summary>The deferral comes after the others, and the occurrence last, if there are any.</summary>
    private static RedisKey[] Keys(KeysBesideLock beside, string? spends, LockOccurrence? occurrence, params ReadOnlySpan<RedisKey> always)
    {
        RedisKey[] all = new RedisKey[always.Length + (spends is null ? 0 : 1) + (occurrence is null ? 0 : 1)];
        always.CopyTo(all);
        if (spends is not null)
        {
            all[always.Length] = beside.Spent(spends);
        }

        if (occurrence is not null)
        {
            all[^1] = beside.Occurrence(occurrence);
        }

        return all;
    }
}
