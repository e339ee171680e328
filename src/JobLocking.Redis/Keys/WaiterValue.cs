namespace JobLocking.Redis.Keys;

/// <summary>
/// What the queue says of one who waits: <c>&lt;when its place lapses, ms&gt;:&lt;process id&gt;:&lt;limit&gt;:&lt;holder&gt;</c>, written
/// by the script.
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
