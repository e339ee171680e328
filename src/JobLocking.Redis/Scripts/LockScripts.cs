namespace JobLocking.Redis.Scripts;

/// <summary>
/// The scripts, one field for each embedded file. They are sent by hash; StackExchange.Redis loads them again where the
/// server has forgotten them.
/// </summary>
internal static class LockScripts
{
    public static readonly string Acquire = Read("acquire");

    public static readonly string Renew = Read("renew");

    public static readonly string Release = Read("release");

    public static readonly string Break = Read("break");

    public static readonly string Peek = Read("peek");

    public static readonly string Eviction = Read("eviction");

    private static string Read(string name)
    {
        using Stream stream = typeof(LockScripts).Assembly.GetManifestResourceStream($"{name}.lua")!;
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }
}
