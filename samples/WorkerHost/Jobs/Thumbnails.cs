using Hangfire;
using JobLocking;

namespace WorkerHost.Jobs;

/// <summary>Hangfire jobs that arrive faster than they run. Two run at a time over all nodes, and a release wakes the next one.</summary>
internal sealed class Thumbnails(Journal journal, ITaskLeaseAccessor lease, IBackgroundJobClient jobs)
{
    private const int AtOnce = 2;

    /// <summary>Orders the thumbnails of an album.</summary>
    public void Order()
    {
        for (int picture = 1; picture <= 6; picture++)
        {
            jobs.Enqueue<Thumbnails>(thumbnails => thumbnails.Draw(picture, CancellationToken.None));
        }
    }

    [TaskLock("thumbnails", Expire = 10, Limit = AtOnce)]
    public async Task Draw(int picture, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Required.Lost);
        TimeSpan work = TimeSpan.FromMilliseconds(500 + (100 * picture));
        await journal.RecordAsync("thumbnails", () => Task.Delay(work, stop.Token), limit: AtOnce);
    }
}
