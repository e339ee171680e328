using System.Diagnostics;
using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;
using StackExchange.Redis;
using Xunit;

namespace JobLocking.ChaosTests.Faults;

/// <summary>
/// Row 8, for deferred jobs: a job whose own process has died comes back by itself, within its <c>DeferBy</c> and one poll of its
/// scheduler, where another node can run it.
/// </summary>
public sealed class Row08DeferredJobTests
{
    private static readonly TimeSpan DeferBy = TimeSpan.FromSeconds(4);

    private static readonly TimeSpan SchedulersPoll = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task A_deferred_job_whose_process_was_killed_is_run_by_another_node_when_its_time_has_come()
    {
        await using Lab lab = await Lab.StartAsync();
        Worker holder = await StartAsync(lab, "holder");
        holder.Process.Tell("run 1 stubborn");
        HistoryEvent held = await holder.GetsAsync("x");

        // The only worker of the first process is busy, so the second one takes the job, and is the process that is woken.
        Worker killed = await StartAsync(lab, "killed");
        killed.Process.Tell("run 2 stubborn");
        await lab.IsQueuedAsync("x", 1);
        await lab.AreScheduledAsync(1);
        long deferred = Lab.Now;
        await KillBetweenPollsAsync(lab, killed);
        holder.Process.Tell("end");

        HistoryEvent run = (await lab.SeesAsync(HistoryEventKind.Granted, holder.Name, count: 2))[1];
        Assert.Equal(2, run.Execution);
        Assert.True(run.Token > held.Token);
        Assert.True(Stopwatch.GetElapsedTime(deferred, run.At) < DeferBy + SchedulersPoll + Lab.Liveness);
    }

    /// <summary>
    /// Kills a worker while it holds no lock of Hangfire's storage, as it does at each poll. An orphaned lock would keep all other nodes
    /// from the schedule for 30 seconds, which has nothing to do with JobLocking.
    /// </summary>
    private static async Task KillBetweenPollsAsync(Lab lab, Worker worker)
    {
        IServer storage = lab.ResourceConnection.GetServers()[0];
        await Eventually.IsTrueAsync(() =>
        {
            worker.Process.Freeze();
            bool isFree = !storage.Keys(pattern: $"{JobWorker.Storage}*lock*").Any();
            if (!isFree)
            {
                worker.Process.Thaw();
            }

            return isFree;
        });
        await worker.KillAsync();
    }

    private static Task<Worker> StartAsync(Lab lab, string name) => lab.EmployAsync(name, "hangfire", Lab.Expiry, DeferBy, patience: TimeSpan.FromMinutes(1));
}
