namespace JobLocking.Redis.Scripts;

/// <summary>
/// The scripts, one field for each embedded file, with the shared parts in front. A script has no part that it does not call: the server
/// executes the definitions of all parts in each call.
/// </summary>
internal static class LockScripts
{
    public static readonly LockScript Acquire = Read("values", "fence", "occurrence", "spent", "queue", "enqueue", "gone", "acquire");

    public static readonly LockScript AcquireShared = Read(
        "values", "fence", "occurrence", "spent", "queue", "enqueue", "wake", "holders", "gone", "acquire_shared");

    public static readonly LockScript Renew = Read("renew");

    public static readonly LockScript RenewShared = Read("values", "holders", "renew_shared");

    public static readonly LockScript Release = Read("values", "occurrence", "spent", "queue", "wake", "release");

    public static readonly LockScript ReleaseShared = Read("values", "occurrence", "spent", "queue", "wake", "holders", "release_shared");

    public static readonly LockScript Decline = Read("values", "queue", "wake", "unaccepted", "holders", "room", "decline");

    public static readonly LockScript Leave = Read("values", "queue", "wake", "holders", "room", "leave");

    public static readonly LockScript Poll = Read(
        "values", "occurrence", "queue", "enqueue", "restore", "wake", "unaccepted", "offer", "poll");

    public static readonly LockScript PollShared = Read(
        "values", "occurrence", "queue", "enqueue", "restore", "wake", "unaccepted", "offer", "holders", "poll_shared");

    public static readonly LockScript Break = Read("values", "queue", "wake", "holders", "break");

    public static readonly LockScript List = Read("values", "list");

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
