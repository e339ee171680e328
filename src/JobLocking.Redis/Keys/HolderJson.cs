using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace JobLocking.Redis.Keys;

/// <summary>A holder as it stands in the value of a lock, for people and their scripts: these names are a contract.</summary>
internal sealed record HolderJson(string App, string Node, string Scheduler, DateTimeOffset Since, string? Job = null, string? Execution = null)
{
    public static byte[] Write(LockHolder holder) => JsonSerializer.SerializeToUtf8Bytes(
        new HolderJson(holder.Application, holder.Node, holder.Scheduler, holder.Since, holder.Job, holder.Execution),
        HolderJsonContext.Readable.HolderJson);

    /// <summary>The holder, or null if that is not what one of ours has written.</summary>
    public static LockHolder? Read(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, HolderJsonContext.Readable.HolderJson) is { } holder
                ? new LockHolder(holder.App, holder.Node, holder.Scheduler, holder.Job, holder.Execution, holder.Since)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

[JsonSerializable(typeof(HolderJson))]
internal sealed partial class HolderJsonContext : JsonSerializerContext
{
    // Read in a terminal, not in a page: 'Büro' and 'List<int>' shall be seen as such.
    public static HolderJsonContext Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    });
}
