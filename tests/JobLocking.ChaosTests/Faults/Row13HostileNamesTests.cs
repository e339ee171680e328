using System.Globalization;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 13: hostile names do not collide and inject nothing, a grant never overwrites a hostile value, and a name that is too long is a
/// clear error.
/// </summary>
public sealed class Row13HostileNamesTests
{
    private const string Planted = "planted";

    private static readonly string[] Names =
    [
        "x", "x ", "X", "{x}", "x}{y", "%7Bx%7D", "x:fence", "x:queue", "{task_lock:x}:fence", "task_lock:x", "process:x", "*", "x*", "[a-z]", "x\\*",
        "x\0", "x\n", "x\r\nDEL task_lock:x\r\n", "x\t1", "x\"'", "..", "\u0645\u0631\u062d\u0628\u0627", "e\u0301", "\u00e9", "\ud83d\udd12", "\u202ex", new string('x', 512),
    ];

    [Fact]
    public async Task Every_name_is_a_lock_of_its_own()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        TimeSpan expiry = TimeSpan.FromSeconds(30);
        await lab.CommandAsync("SET", "bystander", "unharmed");

        // Each is granted while all others are held, and is refused to another process that uses the same name.
        foreach (string name in Names)
        {
            await workers[0].HoldAsync(name, expiry);
        }

        Array.ForEach(Names, name => workers[1].Load(name, expiry, how: "try"));
        foreach (string name in Names)
        {
            await lab.SeesAsync(HistoryEventKind.Contended, workers[1].Name, name);
            Assert.Equal(1, (long)await lab.CommandAsync("EXISTS", Lab.KeyOf(name)));
        }

        Assert.DoesNotContain(lab.History, e => e.What == HistoryEventKind.Granted && e.Process == workers[1].Name);

        // A release frees no other lock.
        string last = "";
        foreach (string name in Names)
        {
            long before = Lab.Now;
            workers[0].End(name);
            await workers[1].GetsAsync(name, before);
            last = name;
        }

        Assert.Equal(Names[^1], last);
        Assert.Equal("unharmed", (string?)await lab.CommandAsync("GET", "bystander"));
        IReadOnlyList<HistoryEvent> history = await lab.JudgeAsync();
        Assert.DoesNotContain(history, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Failed);
    }

    [Theory]
    [InlineData(513)]
    [InlineData(1_000_000)]
    public async Task A_name_over_the_limit_is_a_clear_error_and_harms_no_other_lock(int length)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker worker = await lab.WorkAsync("worker");
        worker.Hold(new string('x', length));

        HistoryEvent failed = (await lab.SeesAsync(HistoryEventKind.Failed))[0];
        Assert.Contains(nameof(TaskLockException), failed.Detail, StringComparison.Ordinal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"has {length} bytes, but at most 512 are allowed. Fix: "), failed.Detail, StringComparison.Ordinal);
        Assert.True(failed.Detail.Length < 10_000);

        // What the worker's check of its store left behind is gone within seconds.
        await Eventually.SeesAsync(async () => (long)await lab.CommandAsync("DBSIZE"), size => size == 0);
        await worker.HoldAsync("x");
    }

    [Theory]
    [InlineData("SET", "1")]
    [InlineData("SET", "")]
    [InlineData("SET", ":::")]
    [InlineData("SET", "\0\r\nDEL bystander\r\n")]
    [InlineData("SET", "lease:99999999999999999999:process:{\"app\":")]
    [InlineData("RPUSH", "x")]
    [InlineData("SADD", "x")]
    public async Task A_lock_is_never_granted_over_a_value_that_was_planted_in_its_place(string command, string value)
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        await lab.CommandAsync("SET", "bystander", "unharmed");
        lab.Began(Planted);
        await lab.CommandAsync(command, Lab.KeyOf("x"), value);
        await lab.CommandAsync(command, Lab.KeyOf("shared"), value);
        byte[]? planted = (byte[]?)await lab.CommandAsync("DUMP", Lab.KeyOf("x"));
        workers[0].Load("x", how: "try");
        workers[0].Load("shared", how: "try", limit: 2);
        workers[1].Load("x", how: "wait");
        workers[1].Load("shared", how: "acquire", limit: 2);

        await lab.SeesAsync(HistoryEventKind.Contended, workers[0].Name, "x", count: 20);
        await lab.SeesAsync(HistoryEventKind.Contended, workers[0].Name, "shared", count: 20);
        await lab.SeesAsync(HistoryEventKind.Contended, workers[1].Name, "x");
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Granted or HistoryEventKind.Failed or HistoryEventKind.Unavailable);
        Assert.Equal(planted, (byte[]?)await lab.CommandAsync("DUMP", Lab.KeyOf("x")));
        Assert.Equal("unharmed", (string?)await lab.CommandAsync("GET", "bystander"));

        await lab.CommandAsync("DEL", Lab.KeyOf("x"), Lab.KeyOf("shared"));
        lab.Ended(Planted);
        await workers[0].GetsAsync("x");
        await workers[1].GetsAsync("shared");
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task A_value_planted_over_a_lease_ends_it_and_stays_as_it_is()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker worker = await lab.WorkAsync("worker");
        await worker.HoldAsync("x");
        lab.Began(Planted);
        lab.Erased("x");
        await lab.CommandAsync("SET", Lab.KeyOf("x"), "1");

        await lab.LosesAsync(worker.Name, "x");
        await lab.SeesAsync(HistoryEventKind.Released);
        Assert.Equal("1", (string?)await lab.CommandAsync("GET", Lab.KeyOf("x")));
        await lab.CommandAsync("DEL", Lab.KeyOf("x"));
        lab.Ended(Planted);
        await worker.HoldAsync("x");
        worker.End("x");
        await lab.SeesAsync(HistoryEventKind.Released, count: 2);
        await lab.JudgeAsync();
    }
}
