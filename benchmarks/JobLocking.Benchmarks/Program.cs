using System.CommandLine;
using JobLocking.Benchmarks.Handoff;

RootCommand command = new("Measures JobLocking, side by side with others where there are any.") { HandoffCommand.Create() };
return await command.Parse(args).InvokeAsync();
