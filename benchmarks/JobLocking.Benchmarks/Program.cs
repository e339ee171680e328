using System.CommandLine;
using JobLocking.Benchmarks.Handoff;
using JobLocking.Benchmarks.Micro;
using JobLocking.Benchmarks.Rivals;
using JobLocking.Benchmarks.Sizing;
using JobLocking.Benchmarks.StorageCalls;

RootCommand command = new("Measures JobLocking, side by side with others where there are any.")
{
    HandoffCommand.Create(),
    RivalsCommand.Create(),
    StorageCallsCommand.Create(),
    SizingCommand.Create(),
    MicroCommand.Create(),
};
return await command.Parse(args).InvokeAsync();
