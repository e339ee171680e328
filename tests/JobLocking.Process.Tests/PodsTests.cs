using System.Globalization;
using JobLocking.TestKit;
using Xunit;

namespace JobLocking.Process.Tests;

/// <summary>Three pods that share nothing but Redis, each with the code of the documents. Their clocks differ a little.</summary>
public sealed class PodsTests
{
    [Theory]
    [InlineData(5, 30)]
    [InlineData(200, 300)]
    public async Task The_code_of_the_readme_runs_once_on_three_pods_and_a_job_with_a_limit_of_three_runs_on_each(int milliseconds, int apart)
    {
        await using RedisServer redis = await RedisServer.StartAsync();
        WorkerProcess[] pods = await Task.WhenAll(Enumerable.Range(-1, 3)
            .Select(i => WorkerProcess.StartAsync("pod", redis.ConnectionString, Text(milliseconds), Text(i * apart))));
        try
        {
            Array.ForEach(pods, pod => pod.Tell("go"));
            await Task.WhenAll(pods.SelectMany(pod => new[] { EndsAsync(pod, "nightly-report"), EndsAsync(pod, "three-at-once") }));

            Assert.Equal(1, pods.Sum(pod => pod.Count("ran nightly-report")));
            Assert.All(pods, pod => Assert.Equal(1, pod.Count("ran three-at-once")));
        }
        finally
        {
            await Task.WhenAll(pods.Select(pod => pod.DisposeAsync().AsTask()));
        }
    }

    private static Task EndsAsync(WorkerProcess pod, string job) =>
        Eventually.IsTrueAsync(() => pod.HasSaid($"Succeeded {job}") || pod.HasSaid($"Skipped {job}"), TimeSpan.FromSeconds(60));

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
