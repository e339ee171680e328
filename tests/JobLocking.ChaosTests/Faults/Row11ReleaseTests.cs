using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>Row 11: a release that races renewals leaves no key, and its lease is not renewed afterwards.</summary>
public sealed class Row11ReleaseTests
{
    private const int Leases = 200;

    [Fact]
    public async Task A_lease_that_ends_at_the_moment_of_a_renewal_is_gone_and_stays_so()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        await using Monitor monitor = await Monitor.StartAsync(lab.Redis.Port);
        TimeSpan expiry = TimeSpan.FromMilliseconds(1500);
        string[] names = [.. Enumerable.Range(0, 18).Select(i => string.Create(CultureInfo.InvariantCulture, $"x{i}"))];
        foreach (Worker worker in workers)
        {
            // The first use of a process is slow, and these leases are short.
            await worker.HoldAsync(worker.Name, TimeSpan.FromSeconds(30));
            worker.End(worker.Name);
        }

        foreach ((int i, string name) in names.Index())
        {
            // On average, a renewal is due after this time.
            workers[i % workers.Length].Load(name, expiry, work: expiry / 3);
        }

        await lab.SeesAsync(HistoryEventKind.Released, count: Leases);
        await lab.JudgeAsync();
        foreach (string name in names)
        {
            Assert.Equal(0, (long)await lab.CommandAsync("EXISTS", Lab.KeyOf(name)));
        }

        // Nothing comes later either, when a renewal of the last ones would have been due.
        await lab.CommandAsync("ECHO", "all-rested");
        await Task.Delay(expiry);
        await lab.CommandAsync("ECHO", "the-end");
        IReadOnlyList<string> lines = await monitor.UntilAsync("the-end");
        AssertNoneIsRenewedAfterItsEnd(lines);
    }

    /// <summary>
    /// A command of a client is followed by the commands of its script, marked <c>lua</c>. A renewal that was on its way already when the
    /// lease was released may still arrive, where it finds nothing; renewals that were started later would be the rule, not the exception.
    /// </summary>
    private static void AssertNoneIsRenewedAfterItsEnd(IReadOnlyList<string> lines)
    {
        Dictionary<string, string> leases = [];
        HashSet<string> ended = [];
        HashSet<string> late = [];
        string[] command = [];
        int renewals = 0;
        bool areAllRested = false;
        foreach (string line in lines)
        {
            string[] words = [.. line[(line.IndexOf(']', StringComparison.Ordinal) + 1)..].Trim().Trim('"').Split("\" \"")];
            if (!line.Contains(" lua] ", StringComparison.Ordinal))
            {
                command = words;
                areAllRested |= words is ["ECHO", "all-rested"];
                if (words[0].StartsWith("EVAL", StringComparison.OrdinalIgnoreCase))
                {
                    string[] named = [.. words.Where(ended.Contains)];
                    Assert.False(areAllRested && named.Length > 0, line);
                    late.UnionWith(named);
                }
            }
            else if (words is [_, ['t', 'a', 's', 'k', '_', 'l', 'o', 'c', 'k', ':', ..] key, ..])
            {
                switch (words[0].ToUpperInvariant())
                {
                    case "SET":
                        leases[key] = words[2].Split(':')[0];
                        break;
                    case "DEL" when leases.TryGetValue(key, out string? lease): // Not one that was acquired before the first line.
                        ended.Add(lease);
                        break;
                    case "PEXPIRE" when leases.TryGetValue(key, out string? lease) && command.Contains(lease):
                        Assert.DoesNotContain(lease, ended);
                        renewals++;
                        break;
                    default:
                        break;
                }
            }
        }

        Assert.True(ended.Count >= Leases, $"{ended.Count} leases were seen to end.");
        Assert.True(renewals > Leases / 10, $"{renewals} renewals were seen.");
        Assert.True(late.Count <= ended.Count / 20, $"{late.Count} of {ended.Count} leases were named after their end.");
    }

    /// <summary>All commands that the server receives, in the order in which it executes them.</summary>
    private sealed class Monitor : IAsyncDisposable
    {
        private readonly TcpClient _client = new();
        private readonly List<string> _lines = [];
        private Task _reading = Task.CompletedTask;

        public static async Task<Monitor> StartAsync(int port)
        {
            Monitor monitor = new();
            await monitor._client.ConnectAsync(IPAddress.Loopback, port);
            await monitor._client.GetStream().WriteAsync("MONITOR\r\n"u8.ToArray());
            StreamReader reader = new(monitor._client.GetStream(), Encoding.Latin1);
            Assert.Equal("+OK", await reader.ReadLineAsync());
            monitor._reading = monitor.ReadAsync(reader);
            return monitor;
        }

        public async Task<IReadOnlyList<string>> UntilAsync(string word)
        {
            await Eventually.IsTrueAsync(() => Lines().Any(line => line.Contains(word, StringComparison.Ordinal)));
            return Lines();
        }

        public async ValueTask DisposeAsync()
        {
            _client.Client.Shutdown(SocketShutdown.Both);
            await _reading;
            _client.Dispose();
        }

        private string[] Lines()
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }

        private async Task ReadAsync(StreamReader reader)
        {
            while (await reader.ReadLineAsync() is { } line)
            {
                lock (_lines)
                {
                    _lines.Add(line);
                }
            }
        }
    }
}
