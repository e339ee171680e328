namespace JobLocking.Redis.Keys;

/// <summary>
/// The value of a waiter: <c>&lt;when its entry lapses, ms&gt;:&lt;process id&gt;:&lt;limit&gt;:&lt;holder&gt;</c>, written by the script.
/// </summary>
internal static class WaiterValue
{
    public static LockHolder? Holder(ReadOnlySpan<byte> value)
    {
        ReadOnlySpan<byte> rest = value;
        for (int i = 0; i < 3; i++)
        {
            LockValue.Field(ref rest);
        }

        return HolderJson.Read(rest);
    }
}
