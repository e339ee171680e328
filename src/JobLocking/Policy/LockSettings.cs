namespace JobLocking.Policy;

/// <summary>What one source (attribute, code, configuration, defaults) says about a lock; null where it says nothing.</summary>
internal sealed record LockSettings
{
    public static readonly LockSettings BuiltIn = new()
    {
        Expire = 60,
        MaxHold = 0,
        MinHold = 0,
        Limit = 1,
        OnConflict = LockConflict.Auto,
        Wait = 0,
        DeferBy = 15,
        GiveUpAfter = 0,
        OncePerOccurrence = false,
        OnUnavailable = LockUnavailable.Defer,
    };

    public int? Expire { get; set; }

    public int? MaxHold { get; set; }

    public int? MinHold { get; set; }

    public int? Limit { get; set; }

    public LockConflict? OnConflict { get; set; }

    public int? Wait { get; set; }

    public int? DeferBy { get; set; }

    public int? GiveUpAfter { get; set; }

    public bool? OncePerOccurrence { get; set; }

    public LockUnavailable? OnUnavailable { get; set; }

    /// <summary>These settings, and where they say nothing those of <paramref name="weaker"/>.</summary>
    public LockSettings Over(LockSettings weaker) => new()
    {
        Expire = Expire ?? weaker.Expire,
        MaxHold = MaxHold ?? weaker.MaxHold,
        MinHold = MinHold ?? weaker.MinHold,
        Limit = Limit ?? weaker.Limit,
        OnConflict = OnConflict ?? weaker.OnConflict,
        Wait = Wait ?? weaker.Wait,
        DeferBy = DeferBy ?? weaker.DeferBy,
        GiveUpAfter = GiveUpAfter ?? weaker.GiveUpAfter,
        OncePerOccurrence = OncePerOccurrence ?? weaker.OncePerOccurrence,
        OnUnavailable = OnUnavailable ?? weaker.OnUnavailable,
    };
}
