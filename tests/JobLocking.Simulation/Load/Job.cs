using JobLocking.Simulation.Time;

namespace JobLocking.Simulation.Load;

/// <summary>A lock that several jobs share, with the settings that all of them have in common.</summary>
/// <param name="Name">The name.</param>
/// <param name="Expire">The expiry, in seconds.</param>
/// <param name="Limit">The limit in the present deployment.</param>
/// <param name="OldLimit">The limit in the previous deployment, which some nodes still have; the same if there is none.</param>
internal sealed record SharedLock(string Name, int Expire, int Limit, int OldLimit);

/// <summary>A job that takes a lock, as a user declares it.</summary>
internal sealed record Job(string Name, SharedLock Lock, Func<int, TaskLockAttribute> Declare, bool IsRecurring, bool HasOccurrences, bool IsStoredShared, int Retries)
{
    public static Job Drawn(SeededRandom random, SharedLock shared, int number)
    {
        bool hasOccurrences = random.Chance(0.3);
        int minHold = random.Chance(0.25) ? random.Number(1, shared.Expire + 1) : 0;
        int maxHold = random.Chance(0.25) ? shared.Expire * random.Number(1, 4) : 0;
        int wait = random.Chance(0.3) ? random.Number(1, 8) : 0;
        int deferBy = random.Pick(2, 5, 15);
        int giveUpAfter = random.Chance(0.1) ? random.Number(deferBy, 60) : 0;
        LockConflict onConflict = random.Pick(LockConflict.Auto, LockConflict.Auto, LockConflict.Defer, LockConflict.Defer, LockConflict.Skip, LockConflict.Fail);
        LockUnavailable onUnavailable = random.Pick(LockUnavailable.Defer, LockUnavailable.Defer, LockUnavailable.Defer, LockUnavailable.Fail);
        return new Job(
            $"{shared.Name}-job{number}",
            shared,
            limit => new TaskLockAttribute(shared.Name)
            {
                Expire = shared.Expire,
                MinHold = minHold,
                MaxHold = maxHold,
                Limit = limit,
                OnConflict = onConflict,
                Wait = wait,
                DeferBy = deferBy,
                GiveUpAfter = giveUpAfter,
                OnUnavailable = onUnavailable,
                OncePerOccurrence = hasOccurrences ? OncePerOccurrence.Always : OncePerOccurrence.Never,
            },
            IsRecurring: hasOccurrences || random.Chance(0.5),
            hasOccurrences,
            IsStoredShared: !hasOccurrences && random.Chance(0.5),
            Retries: random.Number(0, 3));
    }

    public override string ToString() => Name;
}
