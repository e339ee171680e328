using CsCheck;
using JobLocking.Redis.Keys;
using JobLocking.Redis.Storage;
using JobLocking.Redis.Tests.Contract;
using JobLocking.Stores;
using JobLocking.TestKit;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.Redis.Tests.Security;

/// <summary>What holds for the keys of all names, tested with the names that are most likely to break it.</summary>
public sealed class KeyPropertyTests(SharedServers servers)
{
    private static readonly LockKeys Keys = new("task_lock:");

    private static readonly string[] Pieces =
        ["a", "A", ":", "@", "/", "task_lock:", "fence", ":fence", "queue", "process:", "%7B", "%7D", "\0", "\n", "\r\n", "*", "?", "[a]", "^", "\\", " ", "é", "e\u0301", "😀", "1970-01-01T00:00:00.0000000Z"];

    /// <summary>The names that reach a store contain no brace.</summary>
    private static readonly Gen<string> Name = Gen.OneOf(Pieces).Array[1, 4].Select(string.Concat);

    private static readonly Gen<string> Part = Gen.OneOf([.. Pieces, "{", "}", "}:fence"]).Array[0, 3].Select(string.Concat);

    private static readonly Gen<LockOccurrence> Occurrence = Gen.Select(
        Part,
        Part,
        Part,
        Gen.Int[0, 3],
        (application, scheduler, job, tick) => new LockOccurrence(job, DateTimeOffset.UnixEpoch.AddTicks(tick), IsRetry: false) { Application = application, Scheduler = scheduler });

    [Fact]
    public void No_key_of_a_lock_is_a_key_of_another_nor_two_keys_of_its_own() =>
        Gen.Select(Name, Name, Occurrence, Occurrence).Sample((one, other, first, second) =>
        {
            RedisKey[] keys = [.. KeysOf(one, first), .. one != other ? KeysOf(other, second) : first != second ? [Keys.Derived(one).Occurrence(second)] : []];
            Assert.Equal(keys.Length, keys.Distinct().Count());
        }, iter: 20_000);

    [Fact]
    public void No_two_occurrences_whose_parts_make_the_same_text_have_one_key() =>
        Gen.Select(Part, Gen.Int[0, 100], Gen.Int[0, 100], Gen.Int[0, 100], Gen.Int[0, 100]).Sample((text, a, b, c, d) =>
        {
            (LockOccurrence one, LockOccurrence other) = (Cut(a, b), Cut(c, d));
            Assert.Equal(one == other, Keys.Derived("x").Occurrence(one) == Keys.Derived("x").Occurrence(other));

            LockOccurrence Cut(int first, int second)
            {
                (int from, int to) = (Math.Min(first, second) % (text.Length + 1), Math.Max(first, second) % (text.Length + 1));
                (from, to) = (Math.Min(from, to), Math.Max(from, to));
                return new LockOccurrence(text[to..], DateTimeOffset.UnixEpoch, IsRetry: false) { Application = text[..from], Scheduler = text[from..to] };
            }
        }, iter: 5000);

    [Fact]
    public async Task All_keys_of_a_lock_hash_to_one_slot()
    {
        await using ConnectionMultiplexer cluster = await ConnectionMultiplexer.ConnectAsync(servers.Cluster.ConnectionString);
        Assert.True(cluster.HashSlot("any") >= 0);

        Gen.Select(Name, Occurrence).Sample((name, occurrence) =>
            Assert.Single(KeysOf(name, occurrence).Select(key => cluster.HashSlot(key)).Distinct()), iter: 20_000);
    }

    [Fact]
    public void The_name_of_a_lock_is_read_back_from_its_key_and_from_no_derived_key() =>
        Gen.Select(Name, Occurrence).Sample((name, occurrence) =>
            KeysOf(name, occurrence).Where(key => Keys.IsLock((string)key!)).Select(key => Keys.Name(key)).SequenceEqual([name]), iter: 5000);

    [Fact]
    public async Task A_list_has_the_names_that_start_with_the_prefix_and_no_other_whatever_they_consist_of()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string keyPrefix = $"list:{Guid.NewGuid():N}:";
        await using ConnectionMultiplexer connection = await ConnectionMultiplexer.ConnectAsync(servers.Redis.ConnectionString);
        await using RedisLockStore store = new(new RedisLockOptions { Configuration = servers.Redis.ConnectionString, KeyPrefix = keyPrefix }, TimeProvider.System);
        string[] names = [.. Pieces.SelectMany(piece => Pieces.Select(end => piece + end)).Distinct(StringComparer.Ordinal)];
        await Task.WhenAll(names.Select(name => store.AcquireAsync(LockRequests.Acquire(name), cancellation).AsTask()));

        foreach (string prefix in Pieces)
        {
            string[] listed = await store.ListAsync(prefix, cancellation).Select(held => held.Name).ToArrayAsync(cancellation);
            Assert.Equal(names.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
        }
    }

    private static RedisKey[] KeysOf(string name, LockOccurrence occurrence) =>
    [
        Keys.Lock(name), Keys.Derived(name).Fence, Keys.Derived(name).Queue, Keys.Derived(name).Waiters, Keys.Derived(name).Holders, Keys.Derived(name).Limits,
        Keys.Derived(name).Spent("0123456789abcdefghijkl"), Keys.Derived(name).Occurrence(occurrence),
    ];
}
