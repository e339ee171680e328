using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>Row 1: a holder frozen longer than the expiry finds its lease lost as it resumes, and does not release its successor's.</summary>
public sealed class Row01FrozenHolderTests
{
    [Fact]
    public async Task A_frozen_holder_learns_of_the_loss_as_it_resumes_and_leaves_its_successor_alone()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(2);
        HistoryEvent frozen = await workers[0].HoldAsync("x");
        workers[1].Hold("x");
        workers[0].Freeze();
        HistoryEvent successor = await workers[1].GetsAsync("x");
        Assert.True(successor.Token > frozen.Token);
        Assert.DoesNotContain(lab.History, e => e.What == HistoryEventKind.Lost);

        long thawed = Lab.Now;
        workers[0].Thaw();
        await lab.SeesAsync(HistoryEventKind.Lost, workers[0].Name);
        await lab.SeesAsync(HistoryEventKind.Released, workers[0].Name);

        // By its second renewal after that, neither the release of the first holder nor anything else it does has harmed the successor.
        await Task.Delay(Lab.Expiry);
        Assert.DoesNotContain(lab.History, e => e.What is HistoryEventKind.Lost or HistoryEventKind.Disowned && e.Process == workers[1].Name);
        Assert.DoesNotContain(lab.History, e => e.What == HistoryEventKind.Claimed && e.Process == workers[0].Name && e.At > thawed);
        workers[1].End("x");
        await lab.SeesAsync(HistoryEventKind.Released, workers[1].Name);
        await lab.JudgeAsync();
    }

    [Fact]
    public async Task Holders_that_are_frozen_one_after_the_other_never_overlap()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker[] workers = await lab.WorkAsync(3);
        Array.ForEach(workers, w => w.Load("x", parallel: 2, work: TimeSpan.FromMilliseconds(300)));

        // A worker that has just written may have released the lock by the time it is frozen: so the test repeats this until some have not.
        for (int round = 0; round < 4 || (round < 40 && Losses(lab) < 2); round++)
        {
            long before = Lab.Now;
            string holder = (await lab.SeesAsync(HistoryEventKind.Wrote, since: before))[0].Process;
            Worker frozen = workers.Single(w => w.Name == holder);
            frozen.Freeze();
            await Task.Delay(Lab.Expiry * 1.5);
            frozen.Thaw();
        }

        await lab.HealedAsync();
        await lab.JudgeAsync();
        Assert.True(Losses(lab) >= 2);
    }

    private static int Losses(Lab lab) => lab.History.Count(e => e.What == HistoryEventKind.Lost);
}
