using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 12: many processes with many executions increment an unprotected counter; the count is exact, and the tokens are unique and grow.
/// </summary>
public sealed class Row12CounterTests
{
    private const int Executions = 600;

    [Fact]
    public async Task A_counter_protected_only_by_the_lock_loses_nothing_however_the_lock_is_requested()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(4);
        foreach ((Worker worker, string how) in workers.Zip(["try", "wait", "acquire", "cancel"]))
        {
            // Longer than any pause of this machine: no lease may be lost.
            worker.Load("x", Lab.Expiry * 3, how, parallel: 4, work: TimeSpan.Zero);
        }

        await lab.SeesAsync(HistoryEventKind.Wrote, count: Executions);
        await Task.WhenAll(workers.Select(w => lab.SeesAsync(HistoryEventKind.Wrote, w.Name)));
        await lab.SeesAsync(HistoryEventKind.Cancelled);
        await lab.SeesAsync(HistoryEventKind.Contended);
        IReadOnlyList<HistoryEvent> history = await lab.JudgeAsync();

        Assert.Equal(history.Count(e => e.What == HistoryEventKind.Wrote), await lab.PlainCountAsync("x"));
        Assert.DoesNotContain(history, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Fenced or HistoryEventKind.Unavailable);

        // Each is granted only when the one before has released, and it releases only after it has reported its token.
        long[] tokens = [.. history.Where(e => e.What == HistoryEventKind.Granted).Select(e => e.Token)];
        Assert.Equal(tokens.Distinct().Order(), tokens);
    }
}
