using JobLocking.Leasing;
using JobLocking.Tests.Engine;
using Xunit;

namespace JobLocking.Tests.Leasing;

public sealed class DueTimesTests : IDisposable
{
    private readonly EngineUnderTest _node = new();

    [Fact]
    public async Task Whatever_is_added_moved_and_removed_the_first_is_what_is_due_first()
    {
        TaskLease[] leases = await EndedAsync(40);
        for (int seed = 0; seed < 300; seed++)
        {
            Random random = new(seed);
            DueTimes times = new();
            Dictionary<TaskLease, long> expected = [];
            for (int step = 0; step < 200; step++)
            {
                TaskLease lease = leases[random.Next(leases.Length)];
                switch (random.Next(21))
                {
                    case < 12:
                        times.Set(lease, expected[lease] = random.Next(50));
                        break;
                    case < 18:
                        times.Remove(lease);
                        expected.Remove(lease);
                        break;
                    case 18:
                        // A few, which are moved one by one, or nearly all.
                        TaskLease[] some = [.. expected.Keys.Where(_ => random.Next(10) < step % 10)];
                        Array.ForEach(some, one => expected[one] = random.Next(50));
                        times.Move([.. some.Select(one => (one, expected[one]))]);
                        Assert.All(some, one => Assert.Equal(expected[one], one.Due));
                        break;
                    case 19:
                        (int until, int most) = (random.Next(50), random.Next(10));
                        List<TaskLease> taken = times.Take(until, most);
                        Assert.Equal(expected.Values.Where(due => due <= until).Order().Take(most), taken.Select(one => one.Due));
                        Assert.All(taken, one => Assert.True(expected.Remove(one)));
                        break;
                    default:
                        int due = random.Next(50);
                        times.SetAll(due);
                        expected = expected.ToDictionary(one => one.Key, _ => (long)due);
                        break;
                }

                Assert.Equal(expected.Count == 0 ? null : expected.Values.Min(), times.First?.Due);
                Assert.All(leases, one => Assert.Equal(expected.ContainsKey(one), DueTimes.Contains(one)));
                Assert.Equal(expected.ContainsKey(lease) ? lease : null, times.Find(lease.Id));
            }

            // In order of what is due, to the last.
            List<long> order = [];
            while (times.First is { } first)
            {
                order.Add(first.Due);
                times.Remove(first);
            }

            Assert.Equal(expected.Values.Order(), order);
        }
    }

    public void Dispose() => _node.Dispose();

    /// <summary>Leases that no renewal knows any more.</summary>
    private async Task<TaskLease[]> EndedAsync(int count)
    {
        TaskLease[] leases = new TaskLease[count];
        for (int i = 0; i < count; i++)
        {
            leases[i] = await _node.Locks.AcquireAsync($"lock-{i}");
            await leases[i].DisposeAsync();
        }

        return leases;
    }
}
