using JobLocking.TestKit;
using JobLocking.TestWorker.Chaos;

namespace JobLocking.ChaosTests.Schedulers;

/// <summary>What the schedulers of a lab tell, each line read once however often it is waited for.</summary>
internal sealed class QuartzJournal(Lab lab)
{
    private readonly Dictionary<Worker, int> _read = [];
    private readonly List<QuartzEvent> _events = [];

    /// <summary>All that has been told by now, in the order in which it was read.</summary>
    public IReadOnlyList<QuartzEvent> Read()
    {
        foreach (Worker worker in lab.Workers)
        {
            int read = _read.GetValueOrDefault(worker);
            if (worker.Process.Facts.Count == read)
            {
                continue;
            }

            string[] facts = [.. worker.Process.Facts.Skip(read)];
            _read[worker] = read + facts.Length;
            _events.AddRange(facts.Select(QuartzEvent.Parse).OfType<QuartzEvent>());
        }

        return _events;
    }

    /// <summary>Waits for an event.</summary>
    /// <param name="what">Which.</param>
    /// <param name="fact">What is waited for.</param>
    /// <param name="timeout">For how long: the scenario waits for the schedule.</param>
    public async Task<QuartzEvent> SeesAsync(Func<QuartzEvent, bool> what, string fact, TimeSpan timeout)
    {
        int seen = 0;
        return await Eventually.SeesAsync(
            () =>
            {
                IReadOnlyList<QuartzEvent> all = Read();
                while (seen < all.Count)
                {
                    if (what(all[seen++]))
                    {
                        return all[seen - 1];
                    }
                }

                return null!;
            },
            found => found is not null,
            timeout,
            fact);
    }
}
