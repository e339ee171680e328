using System.CommandLine;
using System.Globalization;
using StackExchange.Redis;
using WorkerHost;

Option<int> nodes = new("--nodes") { Description = "How many nodes this process runs.", DefaultValueFactory = _ => 3 };
Option<int?> seconds = new("--seconds") { Description = "End after so many seconds; without it, on Ctrl+C." };
Option<int> port = new("--port") { Description = "The port of the Hangfire dashboard; a free one if it is taken.", DefaultValueFactory = _ => 5080 };
Option<bool> metrics = new("--metrics") { Description = "Print at the end what the locks of this process measured." };
AcceptOnly(nodes, 1, 100);
AcceptOnly(seconds, 1, 86_400);
AcceptOnly(port, 0, 65_535);

RootCommand command = new("Several nodes that fire the same Hangfire and Quartz jobs, and one lock for each job in one Redis.") { nodes, seconds, port, metrics };
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

// Ctrl+C lets the running jobs end before the process does.
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(1) });

static void AcceptOnly(Option option, int least, int most) => option.Validators.Add(result =>
{
    if (result.Tokens.Any(token => !int.TryParse(token.Value, CultureInfo.InvariantCulture, out int value) || value < least || value > most))
    {
        result.AddError($"{option.Name} has to be a number from {least} to {most}.");
    }
});
