using System.Runtime.CompilerServices;
using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using Hangfire.Storage;

namespace JobLocking.Hangfire;

/// <summary>
/// The one filter of JobLocking in Hangfire's process-wide configuration. A process may have several hosts (tests, two tenants).
/// This filter passes each job to the filter of the host whose server runs it. The storage of the server identifies that host.
/// </summary>
/// <remarks>
/// A server that the user's code creates on a storage of its own belongs to no host. The host that called <c>UseTaskLocks</c> last
/// locks its jobs. A storage stays bound when its host is disposed: later jobs fail and are not locked in the store of another host.
/// </remarks>
internal sealed class ProcessFilter : IServerFilter, IElectStateFilter, IApplyStateFilter, IJobFilter
{
    private readonly Lock _writing = new();

    // Weak: it keeps no storage alive.
    private readonly ConditionalWeakTable<JobStorage, TaskLockFilter[]> _byStorage = [];

    private volatile TaskLockFilter[] _hosts = [];

    public static ProcessFilter Instance { get; } = new();

    /// <summary>The same order as that of the filters to which it passes jobs.</summary>
    public int Order => TaskLockFilter.Outermost;

    public bool AllowMultiple => false;

    public void Add(TaskLockFilter host)
    {
        lock (_writing)
        {
            _hosts = [.. _hosts.Where(h => !h.HasEnded), host];
            foreach (IServerFilter filter in (IServerFilter[])[this, JobSpanFilter.Instance])
            {
                if (!GlobalJobFilters.Filters.Contains(filter))
                {
                    GlobalJobFilters.Filters.Add(filter);
                }
            }
        }
    }

    /// <summary>Notes that a server of a host uses a storage.</summary>
    public void Bind(JobStorage storage, TaskLockFilter host)
    {
        lock (_writing)
        {
            TaskLockFilter[] bound = _byStorage.TryGetValue(storage, out TaskLockFilter[]? known) ? known : [];
            _byStorage.AddOrUpdate(storage, [.. bound.Where(h => h != host && !h.HasEnded), host]);
        }
    }

    /// <summary>Drops a host that was disposed. The last one stays, to refuse the jobs that still come.</summary>
    public void Forget(TaskLockFilter? host)
    {
        lock (_writing)
        {
            _hosts = _hosts.Length > 1 ? [.. _hosts.Where(h => h != host)] : _hosts;
        }
    }

    public void OnPerforming(PerformingContext context) => HostOf(context.Storage)?.OnPerforming(context);

    public void OnPerformed(PerformedContext context) =>
        (TaskLockFilter.Of(context.Items.AsReadOnly()) ?? HostOf(context.Storage))?.OnPerformed(context);

    public void OnStateElection(ElectStateContext context) =>
        (TaskLockFilter.Of(context.CustomData?.AsReadOnly()) ?? HostOf(context.Storage))?.OnStateElection(context);

    public void OnStateApplied(ApplyStateContext context, IWriteOnlyTransaction transaction) =>
        (TaskLockFilter.Of(context.CustomData) ?? HostOf(context.Storage))?.OnStateApplied(context, transaction);

    public void OnStateUnapplied(ApplyStateContext context, IWriteOnlyTransaction transaction)
    {
    }

    private TaskLockFilter? HostOf(JobStorage? storage) =>
        Current(storage is not null && _byStorage.TryGetValue(storage, out TaskLockFilter[]? bound) ? bound : _hosts);

    /// <summary>The last host that is not disposed.</summary>
    private static TaskLockFilter? Current(TaskLockFilter[] hosts) => Array.FindLast(hosts, h => !h.HasEnded) ?? hosts.LastOrDefault();
}
