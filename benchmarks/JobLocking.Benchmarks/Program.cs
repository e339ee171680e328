using System.CommandLine;
using JobLocking.Benchmarks.Handoff;
using JobLocking.Benchmarks.Micro;
using JobLocking.Benchmarks.Rivals;

RootCommand command = new("Measures JobLocking, side by side with others where there are any.")
{
    HandoffCommand.Create(),
    RivalsCommand.Create(),
    MicroCommand.Create(),
};
return await command.Parse(args).InvokeAsync();
