using Quartz;

namespace JobLocking.Docs.Snippets;

#region lease-job
[TaskLock("nightly-report", Expire = 60)]
public sealed class NightlyReportJob(ITaskLeaseAccessor leases, IReports reports) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        TaskLease lease = leases.Required;                           // throws if the locks are not registered
        Report report = await reports.ComputeAsync(lease.Lost);      // cancelled if the lease is lost
        lease.ThrowIfLost();                                         // the last check before a step that cannot be undone
        await reports.PublishAsync(report, lease.FencingToken);      // lets the database reject a stale holder
    }
}
#endregion

public interface IReports
{
    Task<Report> ComputeAsync(CancellationToken cancellationToken);

    Task PublishAsync(Report report, long fencingToken);
}

public sealed record Report;
