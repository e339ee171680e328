using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace JobLocking.Redis.Keys;

/// <summary>A holder as JSON in the value of a lock. People and their scripts read it: these property names are a contract.</summary>
internal sealed record HolderJson(
    string App, string Node, string Scheduler, DateTimeOffset Since, string? Job = null, string? Execution = null, string? Identity = null)
{
    // Many executions are refused one after the other because of the same holder.
    private static volatile Reading? _last;

    [ThreadStatic]
    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Writer) _writing;

    /// <summary>Writes property by property: each acquire does this, and the serializer would need a new object each time.</summary>
    public static byte[] Write(LockHolder holder)
    {
        if (_writing.Writer is null)
        {
            ArrayBufferWriter<byte> first = new(256);
            _writing = (first, new Utf8JsonWriter(first, new JsonWriterOptions { Encoder = HolderJsonContext.Readable.Options.Encoder }));
        }

        (ArrayBufferWriter<byte> buffer, Utf8JsonWriter writer) = _writing;
        buffer.ResetWrittenCount();
        writer.Reset();
        writer.WriteStartObject();
        writer.WriteString("app"u8, holder.Application);
        writer.WriteString("node"u8, holder.Node);
        writer.WriteString("scheduler"u8, holder.Scheduler);
        writer.WriteString("since"u8, holder.Since);
        if (holder.Job is { } job)
        {
            writer.WriteString("job"u8, job);
        }

        if (holder.Execution is { } execution)
        {
            writer.WriteString("execution"u8, execution);
        }

        if (holder.Identity is { } identity)
        {
            writer.WriteString("identity"u8, identity);
        }

        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The holder, or null for a text that JobLocking has not written.</summary>
    public static LockHolder? Read(ReadOnlySpan<byte> json)
    {
        Reading? last = _last;
        if (last is not null && json.SequenceEqual(last.Json))
        {
            return last.Holder;
        }

        try
        {
            if (JsonSerializer.Deserialize(json, HolderJsonContext.Readable.HolderJson) is not { } read)
            {
                return null;
            }

            LockHolder holder = new(read.App, read.Node, read.Scheduler, read.Job, read.Execution, read.Since) { Identity = read.Identity };
            _last = new Reading(json.ToArray(), holder);
            return holder;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed record Reading(byte[] Json, LockHolder Holder);
}

[JsonSerializable(typeof(HolderJson))]
internal sealed partial class HolderJsonContext : JsonSerializerContext
{
    // People read it in a terminal, not in a web page: 'Büro' and 'List<int>' need no escaping.
    public static HolderJsonContext Readable { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    });
}
