using System.CommandLine;
using System.Globalization;
using StackExchange.Redis;
using WorkerHost;

Option<int> nodes = new("--nodes") { Description = "The number of nodes that this process runs.", DefaultValueFactory = _ => 3 };
Option<int?> seconds = new("--seconds") { Description = "Stop after this number of seconds. Without it, stop on Ctrl+C." };
Option<int> port = new("--port")
{
    Description = "The port of the Hangfire dashboard. If it is taken, a free port is used.",
    DefaultValueFactory = _ => 5080,
};
Option<bool> metrics = new("--metrics") { Description = "Print the metrics of this process at the end." };
AcceptOnly(nodes, 1, 100);
AcceptOnly(seconds, 1, 86_400);
AcceptOnly(port, 0, 65_535);

RootCommand command = new("Runs several nodes that fire the same Hangfire and Quartz jobs, with one lock for each job in one Redis.")
{
    nodes, seconds, port, metrics,
};
command.SetAction(async (arguments, stop) =>
{
    TimeSpan limit = arguments.GetValue(seconds) is { } time ? TimeSpan.FromSeconds(time) : Timeout.InfiniteTimeSpan;
    using Metrics? measured = arguments.GetValue(metrics) ? new Metrics() : null;
    try
    {
        Summary summary = await Cluster.RunAsync(arguments.GetValue(nodes), limit, arguments.GetValue(port), stop);
        measured?.Print();
        return summary.Conclude();
    }
    catch (Exception e) when (e is RedisException or TimeoutException)
    {
        Console.Error.WriteLine($"Redis does not answer: {e.Message}");
        return 1;
    }
});

// On Ctrl+C, the process waits for the running jobs.
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(1) });

static void AcceptOnly(Option option, int least, int most) => option.Validators.Add(result =>
{
    if (result.Tokens.Any(token =>
        !int.TryParse(token.Value, CultureInfo.InvariantCulture, out int value) || value < least || value > most))
    {
        result.AddError($"{option.Name} must be a number from {least} to {most}.");
    }
});
