using Hangfire;
using Quartz;

namespace JobLocking.Docs.Snippets;

public interface IImporter
{
    Task ImportAsync(int customerId, CancellationToken cancellationToken);
}

public static class Before
{
    #region migration-before
    public sealed class NightlyImport(IImporter importer)
    {
        [DisableConcurrentExecution("nightly-import:{0}", 600)]
        public Task Run(int customerId, CancellationToken cancellationToken) => importer.ImportAsync(customerId, cancellationToken);
    }
    #endregion

    #region migration-quartz-before
    [DisallowConcurrentExecution]
    public sealed class ImportJob(IImporter importer) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            await importer.ImportAsync(context.MergedJobDataMap.GetInt("customerId"), cancellationToken);
    }
    #endregion
}

public static class After
{
    #region migration-after
    public sealed class NightlyImport(IImporter importer)
    {
        [TaskLock("nightly-import:{customerId}")]
        public Task Run(int customerId, CancellationToken cancellationToken) => importer.ImportAsync(customerId, cancellationToken);
    }
    #endregion

    #region migration-quartz-after
    [TaskLock("import:{customerId}")]
    public sealed class ImportJob(IImporter importer) : IJob
    {
        public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
            await importer.ImportAsync(context.MergedJobDataMap.GetInt("customerId"), cancellationToken);
    }
    #endregion
}

public sealed class SecondLock(ITaskLocks locks)
{
    public async Task CallVendorAsync(CancellationToken cancellationToken)
    {
        #region migration-second-lock
        await using TaskLease? vendor = await locks.TryAcquireAsync("vendor-api", new TaskLockOptions { Limit = 5 }, cancellationToken);
        if (vendor is null)
        {
            throw new InvalidOperationException("The vendor's API is busy."); // the retry policy of Hangfire applies
        }
        #endregion
    }
}
