using System.Globalization;
using System.Text;
using JobLocking.TestKit;
using JobLocking.TestWorker;
using Xunit;

namespace JobLocking.Process.Tests;

/// <summary>A storage delivers a job again when the job runs for longer than the invisibility timeout.</summary>
public sealed class SecondDeliveryTests(SecondDeliveryTests.Fleets fleets) : IClassFixture<SecondDeliveryTests.Fleets>
{
    /// <summary>
    /// Each storage with the services of <c>AddHangfireTaskLocks</c>, and some with <c>UseTaskLocks</c> alone. Not SQLite, which writes the
    /// two rows of a second delivery separately. A run that watches its token may read the first row, and Hangfire then cancels the run.
    /// </summary>
    public static TheoryData<DeliveryStorages, bool> Cases =>
    [
        .. Enum.GetValues<DeliveryStorages>().Select(storages => (storages, true)),
        .. Undecorated.Select(storages => (storages, false)),
    ];

    private static DeliveryStorages[] Undecorated =>
        LongForm.IsOrdered ? [DeliveryStorages.Redis, DeliveryStorages.PostgreSql, DeliveryStorages.PostgreSqlSliding] : [DeliveryStorages.PostgreSql];

    [Theory]
    [Trait(LongForm.Name, LongForm.Value)]
    [MemberData(nameof(Cases))]
    public async Task A_running_job_that_is_delivered_again_runs_once_and_once_more_only_if_its_process_is_killed(DeliveryStorages storages, bool isDecorated)
    {
        IReadOnlyList<DeliveredJob> jobs = await fleets.Jobs[(storages, isDecorated)];

        await LongForm.ReportAsync(Table(isDecorated ? $"{storages}" : $"{storages}, plain", jobs));
        Assert.All(jobs, job => Assert.True(job.IsRight, $"{job}"));
    }

    private static string Table(string storages, IEnumerable<DeliveredJob> jobs)
    {
        StringBuilder table = new();
        Line("storage", "kind", "jobs", "begun once", "rerun", "wrong");
        foreach (IGrouping<string, DeliveredJob> kind in jobs.GroupBy(job => job.Kind))
        {
            Line(
                storages,
                kind.Key,
                kind.Count(),
                kind.Count(job => job.IsRight && !job.Dies),
                kind.Count(job => job.IsRight && job.Dies),
                kind.Count(job => !job.IsRight));
        }

        return table.ToString();

        void Line(string storage, string kind, object jobs, object once, object rerun, object wrong) =>
            table.AppendLine(CultureInfo.InvariantCulture, $"{storage,-26} {kind,-18} {jobs,5} {once,11} {rerun,6} {wrong,6}");
    }

    /// <summary>All storages at the same time: they wait for most of it.</summary>
    public sealed class Fleets
    {
        private static readonly int Each = LongForm.IsOrdered ? 4 : 1;

        internal Dictionary<(DeliveryStorages, bool), Task<IReadOnlyList<DeliveredJob>>> Jobs { get; } = Cases
            .Select(row => row.Data)
            .ToDictionary(fleet => fleet, fleet => Task.Run(() => DeliveryFleet.RunAsync(fleet.Item1, fleet.Item2, Each)));
    }
}
