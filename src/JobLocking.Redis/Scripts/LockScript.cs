using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace JobLocking.Redis.Scripts;

/// <summary>
/// A script, sent by its hash. Given the text, StackExchange.Redis looks its hash up by the whole text for each call, and holds
/// back all others of the connection meanwhile; given the hash, it does not help where the server has forgotten the script.
/// </summary>
internal sealed class LockScript(string text)
{
#pragma warning disable CA5350 // What Redis calls a script by, not what anything is protected by.
    public byte[] Hash { get; } = SHA1.HashData(Encoding.UTF8.GetBytes(text));
#pragma warning restore CA5350

    public string Text => text;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<RedisResult> EvaluateAsync(IDatabase database, RedisKey[] keys, RedisValue[] values)
    {
        try
        {
            return await SendHashAsync(database, keys, values).ConfigureAwait(false);
        }
        catch (RedisServerException error) when (error.Kind == RedisErrorKind.NoScript)
        {
            // Nothing has been done. The server, whichever it is by now, knows the script again once it was sent as text.
            return await SendTextAsync(database, keys, values).ConfigureAwait(false);
        }
    }

    public Task<RedisResult> SendHashAsync(IDatabase database, RedisKey[] keys, RedisValue[] values) =>
        database.ScriptEvaluateAsync(Hash, keys, values, CommandFlags.DemandMaster);

    /// <remarks>As a command of its own: ScriptEvaluateAsync(string) continues on the thread pool before it returns what the server said.</remarks>
    public Task<RedisResult> SendTextAsync(IDatabase database, RedisKey[] keys, RedisValue[] values) =>
        database.ExecuteAsync("EVAL", [text, keys.Length, .. keys, .. values], CommandFlags.DemandMaster);
}
