using Hangfire;
using JobLocking;

namespace WorkerHost.Jobs;

/// <summary>Hangfire jobs that must not be skipped: if the lock of the customer is taken, the job is deferred.</summary>
internal sealed class Invoices(Journal journal, ITaskLeaseAccessor lease, IBackgroundJobClient jobs)
{
    /// <summary>
    /// Orders two invoices for each of two customers. Invoices of different customers run in parallel, those of one customer one by
    /// one.
    /// </summary>
    public void Order()
    {
        foreach (int customerId in (int[])[1, 1, 2, 2])
        {
            jobs.Enqueue<Invoices>(invoices => invoices.Send(customerId, CancellationToken.None));
        }
    }

    [TaskLock("invoice:{customerId}", Expire = 10, OnConflict = LockConflict.Defer)]
    public async Task Send(int customerId, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Required.Lost);
        await journal.RecordAsync($"invoice:{customerId}", () => Task.Delay(TimeSpan.FromSeconds(1), stop.Token));
    }
}
