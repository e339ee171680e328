using System.CommandLine;
using WorkerHost;

Option<int> nodes = new("--nodes") { Description = "How many nodes this process runs.", DefaultValueFactory = _ => 3 };
Option<int?> seconds = new("--seconds") { Description = "End after so many seconds; without it, on Ctrl+C." };
Option<int> port = new("--port") { Description = "The port of the Hangfire dashboard; a free one if it is taken.", DefaultValueFactory = _ => 5080 };
nodes.Validators.Add(result => Require(result, result.GetValue(nodes) > 0));
seconds.Validators.Add(result => Require(result, result.GetValue(seconds) is null or > 0));
port.Validators.Add(result => Require(result, result.GetValue(port) is >= 0 and <= 65535));

RootCommand command = new("Several nodes that fire the same Hangfire and Quartz jobs, and one lock for each job in one Redis.") { nodes, seconds, port };
command.SetAction((arguments, stop) => Cluster.RunAsync(
    arguments.GetValue(nodes),
    arguments.GetValue(seconds) is { } limit ? TimeSpan.FromSeconds(limit) : Timeout.InfiniteTimeSpan,
    arguments.GetValue(port),
    stop));

// Ctrl+C lets the running jobs end before the process does.
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(1) });

static void Require(System.CommandLine.Parsing.OptionResult result, bool valid)
{
    if (!valid)
    {
        result.AddError($"{result.IdentifierToken} {string.Join(' ', result.Tokens)} is out of range.");
    }
}
