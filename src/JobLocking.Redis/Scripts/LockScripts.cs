namespace JobLocking.Redis.Scripts;

/// <summary>
/// The scripts, one field for each embedded file, with the parts that several of them share in front. They are sent by hash;
/// StackExchange.Redis loads them again where the server has forgotten them.
/// </summary>
internal static class LockScripts
{
    public static readonly string Acquire = Read("values", "fence", "occurrence", "queue", "acquire");

    public static readonly string AcquireShared = Read("values", "fence", "occurrence", "queue", "holders", "acquire_shared");

    public static readonly string Renew = Read("renew");

    public static readonly string RenewShared = Read("values", "holders", "renew_shared");

    public static readonly string Release = Read("values", "occurrence", "queue", "release");

    public static readonly string ReleaseShared = Read("values", "occurrence", "queue", "holders", "release_shared");

    public static readonly string Look = Read("values", "occurrence", "queue", "look");

    public static readonly string LookShared = Read("values", "occurrence", "queue", "holders", "look_shared");

    public static readonly string Break = Read("values", "queue", "holders", "break");

    public static readonly string Peek = Read("values", "peek");

    public static readonly string Eviction = Read("eviction");

    private static string Read(params ReadOnlySpan<string> files)
    {
        List<string> texts = [];
        foreach (string file in files)
        {
            using Stream stream = typeof(LockScripts).Assembly.GetManifestResourceStream($"{file}.lua")!;
            using StreamReader reader = new(stream);
            texts.Add(reader.ReadToEnd());
        }

        return string.Join('\n', texts);
    }
}
