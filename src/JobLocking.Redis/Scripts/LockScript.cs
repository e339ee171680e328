using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace JobLocking.Redis.Scripts;

/// <summary>
/// A script, sent by its hash. Given the text, StackExchange.Redis looks up the hash by the whole text for each call, and holds back all
/// other calls of the connection meanwhile. Given the hash, it does not send the text when the server has forgotten the script.
/// </summary>
internal sealed class LockScript(string text)
{
#pragma warning disable CA5350 // Redis identifies a script by this hash; it protects nothing.
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
            // Nothing has been done. The server knows the script again once it was sent as text.
            return await SendTextAsync(database, keys, values).ConfigureAwait(false);
        }
    }

    public Task<RedisResult> SendHashAsync(IDatabase database, RedisKey[] keys, RedisValue[] values) =>
        database.ScriptEvaluateAsync(Hash, keys, values, CommandFlags.DemandMaster);

    /// <remarks>As a plain command: ScriptEvaluateAsync(string) continues on the thread pool before it returns the result.</remarks>
    public Task<RedisResult> SendTextAsync(IDatabase database, RedisKey[] keys, RedisValue[] values) =>
        database.ExecuteAsync("EVAL", [text, keys.Length, .. keys, .. values], CommandFlags.DemandMaster);
}
