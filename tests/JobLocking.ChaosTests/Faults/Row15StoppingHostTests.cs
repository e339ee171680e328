using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 15: while a host stops, and after that, the lease of a run that continues is renewed until the run ends, or is lost and reported; an
/// aborted run releases it at once.
/// </summary>
public sealed class Row15StoppingHostTests
{
    [Fact]
    public async Task A_run_that_outlives_its_host_keeps_its_lease_until_it_ends()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        HistoryEvent holder = await workers[0].HoldAsync("x");
        await workers[0].HoldAsync("shared", limit: 2);
        workers[1].Load("x", how: "try");
        await workers[0].StopAsync();

        long stopped = Lab.Now;
        await Task.Delay(Lab.Expiry * 2.5);
        await lab.SeesAsync(HistoryEventKind.Wrote, workers[0].Name, "x", since: Lab.Now);
        await lab.SeesAsync(HistoryEventKind.Contended, workers[1].Name, "x", since: stopped);
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned);
        Assert.DoesNotContain(lab.History, e => e.What == HistoryEventKind.Granted && e.Process == workers[1].Name);

        workers[0].End("x");
        workers[0].End("shared");
        Assert.True((await workers[1].GetsAsync("x")).Token > holder.Token);
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name, count: 2);
        await lab.JudgeAsync();
        workers[0].Process.EndInput();
        Assert.Equal(0, await workers[0].Process.EndsAsync());
    }

    [Fact]
    public async Task A_run_that_outlives_even_the_connection_of_its_host_learns_of_the_loss()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        HistoryEvent holder = await workers[0].HoldAsync("x");
        workers[1].Hold("x");
        await workers[0].StopAsync();
        lab.Began("disposed", workers[0].Name);
        await workers[0].DisposeHostAsync();

        HistoryEvent lost = await lab.LosesAsync(workers[0].Name, "x");
        HistoryEvent successor = await workers[1].GetsAsync("x");
        Assert.True(successor.Token > holder.Token);
        Assert.True(successor.At > lost.At);
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name);
        workers[1].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[1].Name);
        await lab.JudgeAsync();
    }
}
