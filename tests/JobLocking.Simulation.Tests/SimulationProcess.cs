using System.Diagnostics;

namespace JobLocking.Simulation.Tests;

/// <summary>The simulation needs a thread pool with one thread, which a process must have from its start.</summary>
internal static class SimulationProcess
{
    public static async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "JobLocking.Simulation.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
        };
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, output);
    }
}
