
namespace JobLocking.Policy;

/// <summary>What is wrong with the merged settings of a lock, each with the property, the value and the fix; in no culture yet.</summary>
internal static class LockSettingsValidator
{
    public static IEnumerable<FormattableString> Problems(LockSettings settings)
    {
        (int expire, int maxHold, int minHold) = (settings.Expire!.Value, settings.MaxHold!.Value, settings.MinHold!.Value);

        if (expire < 1)
        {
            yield return $"Expire is {expire}, but must be at least 1 second. Fix: set it to the time after which the lock is free after a crash, for example 60.";
        }

        if (expire > LeaseTerms.LongestExpiry.TotalSeconds)
        {
            yield return $"Expire is {expire}, but must be at most {LeaseTerms.LongestExpiry.TotalSeconds} seconds (7 days). Fix: use seconds, not milliseconds; the lease of a longer job is renewed.";
        }

        if (maxHold < 0 || (maxHold > 0 && maxHold < expire))
        {
            yield return $"MaxHold is {maxHold}, but must be 0 (none) or at least Expire ({expire}). Fix: raise MaxHold, lower Expire, or remove MaxHold.";
        }

        if (minHold < 0 || minHold > Math.Max(expire, 0))
        {
            yield return $"MinHold is {minHold}, but must be from 0 to Expire ({expire}). Fix: lower MinHold or raise Expire.";
        }

        if (settings.Limit is < 1 or > 1000)
        {
            yield return $"Limit is {settings.Limit}, but must be from 1 to 1000 executions at once. Fix: remove it to allow one at a time.";
        }

        if (settings.Wait is < 0 or > 3600)
        {
            yield return $"Wait is {settings.Wait}, but must be from 0 to 3600 seconds, because a waiting execution occupies a worker. Fix: lower it, and use OnConflict = Defer for longer waits.";
        }

        if (settings.DeferBy < 1)
        {
            yield return $"DeferBy is {settings.DeferBy}, but must be at least 1 second. Fix: set it to the time that a deferred execution waits, for example 15.";
        }

        if (settings.GiveUpAfter < 0)
        {
            yield return $"GiveUpAfter is {settings.GiveUpAfter}, but must be 0 (never) or a number of seconds. Fix: remove it, or set it above DeferBy.";
        }
        else if (settings.GiveUpAfter > 0 && settings.GiveUpAfter < settings.DeferBy)
        {
            yield return $"GiveUpAfter is {settings.GiveUpAfter}, which is less than DeferBy ({settings.DeferBy}): the execution would give up before its first retry. Fix: raise GiveUpAfter or lower DeferBy.";
        }

        if (!Enum.IsDefined(settings.OnConflict!.Value))
        {
            yield return $"OnConflict is {settings.OnConflict}, which is not one of {string.Join(", ", Enum.GetNames<LockConflict>())}. Fix: use one of them.";
        }

        if (!Enum.IsDefined(settings.OnUnavailable!.Value))
        {
            yield return $"OnUnavailable is {settings.OnUnavailable}, which is not one of {string.Join(", ", Enum.GetNames<LockUnavailable>())}. Fix: use one of them.";
        }

        if (settings.OncePerOccurrence == true && settings.OnUnavailable == LockUnavailable.Run)
        {
            yield return $"OncePerOccurrence and OnUnavailable = Run contradict each other: without the store it is not known whether the occurrence has run. Fix: use Defer or Fail, or remove OncePerOccurrence.";
        }
    }
}
