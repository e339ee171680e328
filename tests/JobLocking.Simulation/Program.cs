using JobLocking.Simulation;
using JobLocking.Simulation.Time;

return OneThread.Run(() => CommandLine.RunAsync(args, Console.Out));
