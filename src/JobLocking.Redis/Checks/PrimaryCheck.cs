using System.Buffers.Text;
using System.Globalization;
using System.Text;
using JobLocking.Redis.Connections;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Scripts;
using JobLocking.Stores;
using StackExchange.Redis;

namespace JobLocking.Redis.Checks;

/// <summary>
/// Checks one primary: acquires, renews and releases a lock of its own with the scripts of every other lock, and makes a script send a
/// notification to this process.
/// </summary>
internal sealed class PrimaryCheck(
    IDatabase database, LockKeys keys, string processId, string name, string server, TimeSpan? downAfter, TimeProvider time)
{
    /// <param name="channelPrefix">The prefix of all channel names.</param>
    /// <param name="notifications">Receives the notification; null if this process cannot subscribe.</param>
    /// <param name="cancellationToken">Ends the check.</param>
    /// <returns>Warnings: what does not work as it should, although the lock was acquired.</returns>
    public async Task<IReadOnlyList<string>> RunAsync(
        byte[] channelPrefix, OwnNotifications? notifications, CancellationToken cancellationToken)
    {
        LockHolder holder = new("JobLocking", Environment.MachineName, "check", null, null, time.GetUtcNow());
        AcquireRequest lease = new(name, Base64Url.EncodeToString(Guid.NewGuid().ToByteArray()), CheckTimes.Expiry, holder);
        ScriptCall acquire = ScriptCalls.Acquire(keys, lease, processId, HolderJson.Write(holder), CheckTimes.Expiry);
        ScriptCall release = ScriptCalls.Release(keys, new ReleaseRequest(name, lease.LeaseId));
        release.SetChannelPrefix(channelPrefix, mostUnheard: 1);

        RedisResult granted = await AskAsync(acquire).ConfigureAwait(false);
        if (ScriptReply.Acquired(granted, sentAt: 0)?.Outcome != AcquireOutcome.Granted)
        {
            throw Unfit("another client uses the keys of the check.");
        }

        Task<RedisResult> released;
        List<string> warnings;
        try
        {
            warnings = await WhileHeldAsync().ConfigureAwait(false);
        }
        finally
        {
            released = RedisFault.Observed(AskAsync(release));
        }

        return ScriptReply.Released(await released.ConfigureAwait(false)) == ReleaseOutcome.NotYours
            ? throw Unfit("another client uses the keys of the check.")
            : warnings;

        async Task<List<string>> WhileHeldAsync()
        {
            RedisKey[] key = [keys.Lock(name)];
            Task received = notifications?.ReceiveAsync(name) ?? Task.CompletedTask;

            // A lease that has longer to live would not be touched.
            Task<RedisResult> renewed = RedisFault.Observed(
                AskAsync(new ScriptCall(LockScripts.Renew, key, [lease.LeaseId, ScriptCall.Milliseconds(2 * CheckTimes.Expiry), 1])));

            // As text: after a restart the server has forgotten all scripts, and the other ones are sent as text once.
            RedisValue channel = (byte[])[.. channelPrefix, .. Encoding.UTF8.GetBytes(processId)];
            DateTimeOffset before = time.GetUtcNow();
            RedisResult reply = await RedisFault.UntilAsync(
                database.ScriptEvaluateAsync(
                    LockScripts.Check.Text, key, [channel, name], CommandFlags.DemandMaster | CommandFlags.NoScriptCache),
                cancellationToken).ConfigureAwait(false);
            DateTimeOffset after = time.GetUtcNow();

            if ((string?)await renewed.ConfigureAwait(false) != "r")
            {
                throw Unfit("a lease could not be renewed. Fix: give the user the rights of docs/security.md.");
            }

            string?[] found =
            [
                EvictionWarning((string)reply[2]!),
                await ReplicationWarningAsync((string)reply[3]!).ConfigureAwait(false),
                await NotificationWarningAsync((string)reply[1]!, received).ConfigureAwait(false),
                ClockWarning(DateTimeOffset.UnixEpoch.AddMicroseconds((double)reply[0]), before, after),
            ];
            return [.. found.OfType<string>()];
        }

        async Task<string?> NotificationWarningAsync(string refused, Task received)
        {
            if (refused.Length > 0)
            {
                string consequence = notifications is null ? "" : OwnNotifications.Consequence;
                return $"{StoreCheck.What} at {server}: a notification cannot be sent: Redis answered '{refused}'.{consequence}";
            }

            try
            {
                await received.WaitAsync(CheckTimes.LongestDelivery, time, cancellationToken).ConfigureAwait(false);
                return null;
            }
            catch (TimeoutException)
            {
                return $"{StoreCheck.What} at {server}: a notification from this process to itself did not arrive within "
                    + $"{CheckTimes.LongestDelivery.TotalSeconds:0} s.{OwnNotifications.Consequence}";
            }
        }

        async Task<string?> ReplicationWarningAsync(string replicas)
        {
            if (replicas == "")
            {
                return null;
            }

            TimeSpan? lag = replicas == "required" ? await LongestLagAsync().ConfigureAwait(false) : null;
            return ReplicationWarning(isRequired: replicas == "required", lag);
        }

        // A script may not read it. Without the permission for CONFIG, which no other command needs, it stays unknown.
        async Task<TimeSpan?> LongestLagAsync()
        {
            try
            {
                RedisResult answer = await RedisFault.UntilAsync(
                    database.ExecuteAsync("CONFIG", ["GET", "min-replicas-max-lag"], CommandFlags.DemandMaster),
                    cancellationToken).ConfigureAwait(false);
                return answer.ToDictionary().TryGetValue("min-replicas-max-lag", out RedisResult? seconds)
                    ? TimeSpan.FromSeconds((int)seconds)
                    : null;
            }
            catch (Exception error) when (error is RedisCommandException or RedisServerException)
            {
                return null;
            }
        }

        Task<RedisResult> AskAsync(ScriptCall call) =>
            RedisFault.UntilAsync(call.Script.EvaluateAsync(database, call.Keys, call.Values).AsTask(), cancellationToken);
    }

    private LockStoreException Unfit(string why) => new($"{StoreCheck.What} at {server}: {why}", mayHaveBeenApplied: false);

    // Every lock has a time to live, so every policy but noeviction may evict it.
    private string? EvictionWarning(string policy) => policy is "" or "noeviction"
        ? null
        : $"Redis at {server} evicts keys when its memory is full (maxmemory-policy {policy}), and locks are among them: two holders at "
            + "once. Fix: set maxmemory-policy to noeviction.";

    // A primary that is cut off does not know that a replica has taken over. It stops only if it lacks its replicas.
    private string? ReplicationWarning(bool isRequired, TimeSpan? lag)
    {
        TimeSpan longest = downAfter ?? CheckTimes.DefaultReplicaLag;
        string why = !isRequired
            ? "has replicas, but min-replicas-to-write is 0: while it is cut off, one of them may take over, and both grant the same lock."
            : lag >= longest
                ? string.Create(CultureInfo.InvariantCulture, $"accepts writes for {lag.Value.TotalSeconds:0} s without its replicas ")
                    + "(min-replicas-max-lag): one that takes over sooner grants the same locks."
                : "";
        return why.Length == 0 ? null : $"Redis at {server} {why} "
            + "Fix: set min-replicas-to-write to 1 and min-replicas-max-lag to less than "
            + string.Create(CultureInfo.InvariantCulture, $"{longest.TotalSeconds:0.#}.");
    }

    // The server read its clock between the two times of this machine, however long the answer took.
    private string? ClockWarning(DateTimeOffset read, DateTimeOffset before, DateTimeOffset after)
    {
        TimeSpan behind = read - after;
        TimeSpan ahead = before - read;
        TimeSpan difference = behind > ahead ? behind : ahead;
        return difference < CheckTimes.LargestClockDifference
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"The clock of this machine is {difference.TotalSeconds:0.0} s {(behind > ahead ? "behind" : "ahead of")} the clock of ")
                + $"Redis at {server}: the nodes fire the same schedule at different times. Fix: synchronise the clocks.";
    }
}
