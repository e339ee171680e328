global using Xunit;
global using static JobLocking.Quartz.Tests.Current;
