using System.CommandLine;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Running;

namespace JobLocking.Benchmarks.Micro;

/// <summary>
/// <c>micro</c>: what single steps cost, with BenchmarkDotNet, which gets all other arguments: <c>micro --filter '*' --job short</c>.
/// </summary>
internal static class MicroCommand
{
    /// <summary>A busy machine does not build the whole repository within the two minutes that BenchmarkDotNet allows.</summary>
    private static readonly TimeSpan BuildTimeout = TimeSpan.FromMinutes(10);

    public static Command Create()
    {
        Command command = new("micro", "What single steps cost, by BenchmarkDotNet: all that follows are arguments of its own, such as --filter '*'.")
        {
            TreatUnmatchedTokensAsErrors = false,
        };
        command.SetAction(arguments => BenchmarkSwitcher
            .FromTypes([typeof(NameTemplates), typeof(LocalTries), typeof(Decisions), typeof(RedisPairs)])
            .Run([.. arguments.UnmatchedTokens], Config()));
        return command;
    }

    /// <summary>Its output stays next to the program, where it is not in the way.</summary>
    private static ManualConfig Config() => ManualConfig.Create(DefaultConfig.Instance)
        .WithBuildTimeout(BuildTimeout)
        .WithArtifactsPath(Path.Combine(AppContext.BaseDirectory, "BenchmarkDotNet.Artifacts"));
}
