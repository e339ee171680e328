using JobLocking.ChaosTests.Network;

namespace JobLocking.ChaosTests.Soak;

/// <summary>
/// Makes faults of all kinds, several at a time, and ends them: the kinds, the targets and the durations are drawn from a seed.
/// </summary>
/// <param name="lab">The lab; its server has a clock of its own.</param>
/// <param name="random">The source of all random choices.</param>
/// <param name="replace">Starts a worker in place of one that was killed.</param>
internal sealed class Nemesis(Lab lab, Random random, Func<Task> replace)
{
    private static readonly (string Kind, Action<FaultProxy> Make)[] OfLinks =
    [
        ("requests-lost", link => link.DropRequests = true),
        ("replies-lost", link => link.DropReplies = true),
        ("replies-held", link => link.HoldReplies()),
        ("refused", Refuse),
        ("half-open-here", link => link.CutClientSide()),
        ("half-open-there", link => link.CutServerSide()),
        ("cut", link => link.CutAll()),
        ("cut-in-reply", link => _ = link.CutInReply()),
        ("slow", link => (link.RequestDelay, link.ReplyDelay) = (TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(200))),
    ];

    private TimeSpan _ahead;

    /// <summary>One to three faults at once, at most one of them at the server.</summary>
    public async Task StrikeAsync()
    {
        Worker[] victims = [.. lab.Workers.Where(w => !w.Process.WasKilled)];
        random.Shuffle(victims);
        Queue<Worker> others = new(victims);
        List<Task> faults = [];
        int count = random.Next(1, 4);
        for (int i = 0; i < count; i++)
        {
            bool ofServer = faults.Count == 0 && random.Next(2) == 0;
            faults.Add(ofServer ? StrikeServerAsync(Some(4000)) : StrikeWorkerAsync(others.Dequeue(), Some(1000), Some(4000)));
        }

        await Task.WhenAll(faults);
    }

    private static void Refuse(FaultProxy link)
    {
        link.Refuse = true;
        link.CutAll();
    }

    private TimeSpan Some(int milliseconds) => TimeSpan.FromMilliseconds(random.Next(milliseconds));

    private async Task StrikeWorkerAsync(Worker worker, TimeSpan after, TimeSpan duration)
    {
        int which = random.Next(OfLinks.Length + 3);
        await Task.Delay(after);
        if (which < OfLinks.Length)
        {
            (string kind, Action<FaultProxy> make) = OfLinks[which];
            worker.Cut(kind, make);
            await Task.Delay(duration);
            worker.Mend(kind);
        }
        else if (which == OfLinks.Length && !worker.IsSpared)
        {
            await worker.KillAsync();
            await replace();
        }
        else
        {
            worker.Freeze();
            await Task.Delay(duration);
            worker.Thaw();
        }
    }

    private async Task StrikeServerAsync(TimeSpan duration)
    {
        (string Kind, Func<Task> Make)[] all =
        [
            ("frozen", () => FreezeAsync(duration)),
            ("script-flush", () => lab.CommandAsync("SCRIPT", "FLUSH")),
            ("connections-killed", () => lab.CommandAsync("CLIENT", "KILL", "TYPE", "normal")),
            ("subscriptions-killed", () => lab.CommandAsync("CLIENT", "KILL", "TYPE", "pubsub")),
            ("flushed", () => EraseAsync(() => lab.CommandAsync("FLUSHALL"))),
            ("restarted-empty", () => EraseAsync(lab.Redis.RestartAsync)),
            ("forbidden", () => ForbidAsync(duration)),
            ("full", () => FillAsync(duration)),
            ("clock-ahead", StepClockAsync),
        ];
        (string kind, Func<Task> make) = all[random.Next(all.Length)];
        lab.Began(kind);
        await make();
        lab.Ended(kind);
    }

    private async Task FreezeAsync(TimeSpan duration)
    {
        lab.Redis.Pause();
        await Task.Delay(duration);
        lab.Redis.Resume();
    }

    private Task EraseAsync(Func<Task> erase)
    {
        lab.Erased();
        return erase();
    }

    private async Task ForbidAsync(TimeSpan duration)
    {
        await lab.CommandAsync("ACL", "SETUSER", "default", "-eval", "-evalsha");
        await Task.Delay(duration);
        await lab.CommandAsync("ACL", "SETUSER", "default", "+@all");
    }

    private async Task FillAsync(TimeSpan duration)
    {
        await lab.CommandAsync("CONFIG", "SET", "maxmemory", "1");
        await Task.Delay(duration);
        await lab.CommandAsync("CONFIG", "SET", "maxmemory", "0");
    }

    /// <summary>By less than the time that a renewed lease has left.</summary>
    private Task StepClockAsync()
    {
        _ahead += Some((int)Lab.Expiry.TotalMilliseconds / 3);
        lab.Redis.SetClock(_ahead);
        return Task.CompletedTask;
    }
}
