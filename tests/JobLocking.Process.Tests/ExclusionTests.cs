using System.Globalization;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Process.Tests;

public sealed class ExclusionTests
{
    private const int Processes = 4;

    private const int CountsEach = 100;

    [Fact]
    public async Task Several_processes_use_an_unprotected_counter_without_losing_a_count()
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        string file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, "0");

        WorkerProcess[] workers = await Task.WhenAll(Enumerable.Range(0, Processes).Select(_ =>
            WorkerProcess.StartAsync("counter", redis.ConnectionString, file, CountsEach.ToString(CultureInfo.InvariantCulture))));
        try
        {
            Array.ForEach(workers, w => w.Tell("go"));
            Assert.All(await Task.WhenAll(workers.Select(w => w.EndsAsync())), code => Assert.Equal(0, code));

            Assert.Equal(Processes * CountsEach, int.Parse(await File.ReadAllTextAsync(file), CultureInfo.InvariantCulture));
            (int Value, long Token)[] counted = [.. workers.SelectMany(w => w.Facts)
                .Select(f => f.Split(' '))
                .Where(f => f[0] == "counted")
                .Select(f => (int.Parse(f[1], CultureInfo.InvariantCulture), long.Parse(f[2], CultureInfo.InvariantCulture)))
                .OrderBy(c => c.Item1)];
            Assert.Equal(Enumerable.Range(1, Processes * CountsEach), counted.Select(c => c.Value));
            Assert.All(counted.Zip(counted.Skip(1)), pair => Assert.True(pair.First.Token < pair.Second.Token, $"{pair.First} before {pair.Second}"));
        }
        finally
        {
            await Task.WhenAll(workers.Select(w => w.DisposeAsync().AsTask()));
            File.Delete(file);
        }
    }
}
