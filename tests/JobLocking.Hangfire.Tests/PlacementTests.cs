using Hangfire.Common;
using Hangfire.States;
using Xunit;

namespace JobLocking.Hangfire.Tests;

public sealed class PlacementTests(SharedRedis redis)
{
    public static TheoryData<string?, Job> Places => new()
    {
        { "of-the-class", Job.FromExpression<OnClass>(j => j.ByType()) },
        { "of-the-method", Job.FromExpression<OnClass>(j => j.ByMethod()) },
        { "of-the-class", Job.FromExpression<Inherited>(j => j.ByType()) },
        { "of-the-method", Job.FromExpression<Inherited>(j => j.ByMethod()) },
        { "of-the-interface", Job.FromExpression<IOnInterface>(j => j.ByType()) },
        { "of-the-interface's-method", Job.FromExpression<IOnInterface>(j => j.ByMethod()) },
        { "of-the-interface", Job.FromExpression<OnInterface>(j => j.ByType()) },
        { "of-the-interface's-method", Job.FromExpression<OnInterface>(j => j.ByMethod()) },
        { "of-the-implementation", Job.FromExpression<IUndecorated>(j => j.Openly()) },
        { "of-the-explicit-implementation", Job.FromExpression<IUndecorated>(j => j.Explicitly()) },
        { null, Job.FromExpression<ThirdParty>(j => j.Report("t")) },
    };

    public static TheoryData<string?, Job> PlacesInCode => new()
    {
        { "reports:t", Job.FromExpression<ThirdParty>(j => j.Report("t")) },
        { "third-party", Job.FromExpression<ThirdParty>(j => j.Clean()) },
        { "in-code", Job.FromExpression<OnClass>(j => j.ByType()) },
        { "of-the-method", Job.FromExpression<OnClass>(j => j.ByMethod()) },
    };

    [Theory]
    [MemberData(nameof(Places), DisableDiscoveryEnumeration = true)]
    public Task The_lock_of_the_method_wins_over_the_one_of_its_type(string? name, Job job) => RunsUnderAsync(name, job, null);

    [Theory]
    [MemberData(nameof(PlacesInCode), DisableDiscoveryEnumeration = true)]
    public Task A_lock_given_in_code_replaces_the_attribute_in_the_same_place(string? name, Job job) => RunsUnderAsync(name, job, o => o
        .ForJob<ThirdParty>(new TaskLockAttribute("third-party"))
        .ForJob<ThirdParty>(nameof(ThirdParty.Report), new TaskLockAttribute("reports:{tenant}"))
        .ForJob<OnClass>(new TaskLockAttribute("in-code")));

    private async Task RunsUnderAsync(string? name, Job job, Action<JobLockingOptions>? configure)
    {
        await using Cluster cluster = redis.NewCluster();
        await cluster.StartAsync("a", configure);

        await cluster.SucceedsAsync(cluster.Client.Create(job, new EnqueuedState()));

        Assert.Equal([name, name], cluster.Probes["placed"].Locks);
    }
}
