namespace JobLocking.Redis.Scripts;

/// <summary>
/// The scripts, one field for each embedded file, with the parts that several of them share in front. No part that a script
/// does not call: the server puts all of them together anew for each call.
/// </summary>
internal static class LockScripts
{
    public static readonly LockScript Acquire = Read("values", "fence", "occurrence", "spent", "queue", "park", "acquire");

    public static readonly LockScript AcquireShared = Read(
        "values", "fence", "occurrence", "spent", "queue", "park", "turn", "holders", "acquire_shared");

    public static readonly LockScript Renew = Read("renew");

    public static readonly LockScript RenewShared = Read("values", "holders", "renew_shared");

    public static readonly LockScript Release = Read("values", "occurrence", "spent", "queue", "turn", "late", "release");

    public static readonly LockScript ReleaseShared = Read(
        "values", "occurrence", "spent", "queue", "turn", "late", "holders", "release_shared");

    public static readonly LockScript Look = Read("values", "occurrence", "queue", "park", "keep", "turn", "late", "offer", "look");

    public static readonly LockScript LookShared = Read(
        "values", "occurrence", "queue", "park", "keep", "turn", "late", "offer", "holders", "look_shared");

    public static readonly LockScript Break = Read("values", "queue", "turn", "holders", "break");

    public static readonly LockScript Peek = Read("values", "peek");

    public static readonly LockScript Check = Read("values", "check");

    private static LockScript Read(params ReadOnlySpan<string> files)
    {
        List<string> texts = [];
        foreach (string file in files)
        {
            using Stream stream = typeof(LockScripts).Assembly.GetManifestResourceStream($"{file}.lua")!;
            using StreamReader reader = new(stream);
            texts.Add(reader.ReadToEnd());
        }

        return new LockScript(string.Join('\n', texts));
    }
}
