using JobLocking.TestWorker.Chaos;
using Xunit;

namespace JobLocking.ChaosTests.Soak;

/// <summary>The lab reports when the machine it runs on is too busy.</summary>
public sealed class StarvationTests
{
    [Fact]
    public async Task It_is_reported_when_even_the_server_that_no_fault_reaches_does_not_answer()
    {
        await using Lab lab = await Lab.StartAsync();
        using CancellationTokenSource ends = new();
        Task executions = lab.WitnessStarvationAsync(ends.Token);
        lab.Resource.Pause();
        await Task.Delay(TimeSpan.FromSeconds(1));
        lab.Resource.Resume();
        await lab.SeesAsync(HistoryEventKind.Starved, Lab.Server);
        await ends.CancelAsync();
        await executions;
    }
}
