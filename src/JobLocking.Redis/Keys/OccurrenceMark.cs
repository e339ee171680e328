using JobLocking.Stores;

namespace JobLocking.Redis.Keys;

/// <summary>
/// The value of an occurrence: <c>running:&lt;lease id&gt;:&lt;holder&gt;</c>, written by the script, or
/// <c>succeeded:&lt;holder&gt;</c>, <c>failed:&lt;holder&gt;</c>; or, for a stored job, <c>ended:</c>, which is
/// short because there may be many.
/// </summary>
internal static class OccurrenceMark
{
    public static byte[] Of(OccurrenceEnd end) => end.Outcome switch
    {
        OccurrenceOutcome.Ended => "ended:"u8.ToArray(),
        OccurrenceOutcome.Succeeded => [.. "succeeded:"u8, .. HolderJson.Write(end.Holder)],
        _ => [.. "failed:"u8, .. HolderJson.Write(end.Holder)],
    };

    public static LockHolder? Holder(ReadOnlySpan<byte> mark)
    {
        ReadOnlySpan<byte> rest = mark;
        if (LockValue.Field(ref rest).SequenceEqual("running"u8))
        {
            LockValue.Field(ref rest);
        }

        return HolderJson.Read(rest);
    }
}
