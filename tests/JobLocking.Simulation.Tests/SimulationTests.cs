using JobLocking.Simulation.Time;
using Xunit;

namespace JobLocking.Simulation.Tests;

public sealed class SimulationTests(ITestOutputHelper output)
{
    // A fixed range, so that what fails here fails everywhere. New seeds are drawn by --for.
    [Fact]
    public async Task Nothing_is_lost_and_nothing_runs_twice_in_thousands_of_random_runs()
    {
        Task<(int ExitCode, string Output)>[] halves = [SimulationProcess.RunAsync("--seeds", "1-1500"), SimulationProcess.RunAsync("--seeds", "1501-3000")];
        foreach ((int exitCode, string text) in await Task.WhenAll(halves))
        {
            output.WriteLine(text);
            Assert.True(exitCode == 0, text);
        }
    }

    [Theory]
    [InlineData("7")]
    [InlineData("4711")]
    public async Task A_seed_gives_the_same_events_in_every_process(string seed)
    {
        (_, string first) = await SimulationProcess.RunAsync("--seed", seed, "--trace");
        (_, string second) = await SimulationProcess.RunAsync("--seed", seed, "--trace");
        Assert.Contains("Held", first, StringComparison.Ordinal);
        Assert.Equal(first, second);
    }

    [Fact]
    public async Task Earlier_runs_in_the_same_process_do_not_change_the_events_of_a_seed()
    {
        (_, string alone) = await SimulationProcess.RunAsync("--seeds", "120-120");
        (_, string digests) = await SimulationProcess.RunAsync("--seeds", "100-120", "--digests");
        string digest = Assert.Single(alone.Split('\n'), line => line.Contains("digest", StringComparison.Ordinal)).Split("digest ")[1].Trim();
        Assert.Contains($"seed 120 digest {digest}", digests, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pool_with_more_than_one_thread_is_refused()
    {
        Assert.Contains("thread pool", Assert.Throws<InvalidOperationException>(() => OneThread.Run(() => Task.FromResult(0))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Arguments_that_cannot_be_understood_are_answered_with_the_usage()
    {
        (int exitCode, string text) = await SimulationProcess.RunAsync("--seeds", "3-1");
        Assert.Equal(2, exitCode);
        Assert.Contains("--seed 4711", text, StringComparison.Ordinal);
    }
}
