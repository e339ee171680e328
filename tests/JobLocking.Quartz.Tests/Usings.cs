global using static JobLocking.Quartz.Tests.Current;
global using Xunit;
