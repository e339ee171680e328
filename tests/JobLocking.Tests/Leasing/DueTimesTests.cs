using System.Runtime.CompilerServices;
using JobLocking.Leasing;
using JobLocking.Policy;
using Xunit;

namespace JobLocking.Tests.Leasing;

public sealed class DueTimesTests
{
    [Fact]
    public void The_first_is_the_earliest_after_any_sequence_of_changes()
    {
        HeldLease[] leases = [.. Enumerable.Range(0, 40).Select(Lease)];
        for (int seed = 0; seed < 300; seed++)
        {
            Random random = new(seed);
            DueTimes times = new();
            Dictionary<HeldLease, long> expected = [];
            for (int step = 0; step < 200; step++)
            {
                HeldLease lease = leases[random.Next(leases.Length)];
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
                        // A few, or nearly all.
                        HeldLease[] some = [.. expected.Keys.Where(_ => random.Next(10) < step % 10)];
                        Array.ForEach(some, one => times.Set(one, expected[one] = random.Next(50)));
                        break;
                    case 19:
                        (int until, int most) = (random.Next(50), random.Next(10));
                        List<HeldLease> taken = times.Take(until, most);
                        Assert.Equal(expected.Values.Where(due => due <= until).Order().Take(most), taken.Select(one => one.DueAt));
                        Assert.All(taken, one => Assert.True(expected.Remove(one)));
                        break;
                    default:
                        int due = random.Next(50);
                        times.SetAll(due);
                        expected = expected.ToDictionary(one => one.Key, _ => (long)due);
                        break;
                }

                Assert.Equal(expected.Count == 0 ? null : expected.Values.Min(), times.First);
                Assert.All(leases, one => Assert.Equal(expected.ContainsKey(one), one.IsScheduled));
                Assert.All(expected, one => Assert.Equal(one.Value, one.Key.DueAt));
            }

            // In order, until none is left.
            Assert.Equal(expected.Values.Order(), times.Take(long.MaxValue, int.MaxValue).Select(one => one.DueAt));
            Assert.Null(times.First);
        }
    }

    [Fact]
    public void A_lease_that_has_ended_is_not_kept_in_memory_until_it_would_have_been_due()
    {
        DueTimes times = new();
        times.Set(Lease(0), 0);
        List<WeakReference> ended = [];
        for (int i = 1; i <= 1000; i++)
        {
            ended.Add(AddAndRemove(times, i));
        }

        GC.Collect();
        Assert.InRange(ended.Count(lease => lease.IsAlive), 0, 100);
        Assert.Equal(0, times.First);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference AddAndRemove(DueTimes times, int due)
    {
        HeldLease lease = Lease(due);
        times.Set(lease, due);
        times.Remove(lease);
        return new WeakReference(lease);
    }

    private static HeldLease Lease(int number)
    {
        LeaseTerms terms = new(TimeSpan.FromMinutes(1), TimeSpan.Zero, TimeSpan.Zero);
        LockHolder holder = new("app", "node", "Test", null, null, default);
        return new HeldLease(new LeaseRequest("x", "x", terms, holder), $"lease-{number}", number, sentAt: 0, TimeProvider.System);
    }
}
