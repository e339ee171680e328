using System.Text.Json;
using StackExchange.Redis;

namespace WorkerHost;

/// <summary>
/// Records what the jobs of all nodes and processes do, in the order in which Redis receives it. It never asks the locks, because
/// the audit uses it to judge the locks.
/// </summary>
internal sealed class Journal(IDatabase database, string process, string? node = null)
{
    private static readonly RedisKey Key = "workerhost:journal";

    private RedisValue _lastRead;
    private long _read;

    public Journal ForNode(string name) => new(database, process, name);

    /// <summary>Does a piece of work and records its start and end. Work of the same name must not overlap beyond its limit.</summary>
    public async Task RecordAsync(string work, Func<Task> body, DateTimeOffset? occurrence = null, int limit = 1)
    {
        string execution = Guid.NewGuid().ToString("N");
        bool completed = false;
        try
        {
            await AppendAsync(
                JournalKind.Enter,
                entry => entry with { Work = work, Limit = limit, Execution = execution, Occurrence = occurrence });
            await body();
            completed = true;
        }
        finally
        {
            await AppendAsync(
                JournalKind.Leave,
                entry => entry with { Work = work, Limit = limit, Execution = execution, Occurrence = occurrence, Completed = completed });
        }
    }

    public Task AppendAsync(JournalKind kind, Func<JournalEntry, JournalEntry> fill)
    {
        JournalEntry entry = new() { Kind = kind, Process = process, Node = node, Time = TimeProvider.System.GetUtcNow() };
        return database.ListRightPushAsync(Key, JsonSerializer.Serialize(fill(entry)));
    }

    /// <summary>Records that this process is alive. The journal expires a few minutes after the last such entry.</summary>
    public async Task AppendAliveAsync(int nodes)
    {
        await AppendAsync(JournalKind.Alive, entry => entry with { Nodes = nodes });
        await database.KeyExpireAsync(Key, TimeSpan.FromMinutes(5));
    }

    /// <summary>Returns the entries since the last call. The first call returns all entries.</summary>
    public async Task<IReadOnlyList<JournalEntry>> ReadAsync()
    {
        long overlap = _read == 0 ? 0 : 1;
        RedisValue[] entries = await database.ListRangeAsync(Key, _read - overlap);
        if (overlap == 1 && (entries.Length == 0 || entries[0] != _lastRead))
        {
            throw new InvalidOperationException(
                "Redis has lost the journal of this run, so it is no longer known whether jobs overlapped.");
        }

        if (entries.Length > 0)
        {
            _lastRead = entries[^1];
            _read += entries.Length - overlap;
        }

        return [.. entries.Skip((int)overlap).Select(entry => JsonSerializer.Deserialize<JournalEntry>(entry.ToString())!)];
    }
}
