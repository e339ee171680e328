using System.Text.Json.Serialization.Metadata;
using JobLocking.TestKit;
using Quartz;
using Quartz.Impl.AdoJobStore;

namespace JobLocking.Quartz.Tests;

/// <summary>One database for the tests of a class, in which clusters of schedulers keep their triggers.</summary>
public sealed class SharedStore : IAsyncLifetime
{
    private PostgresServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await PostgresServer.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>Makes a node a member of a cluster.</summary>
    /// <param name="node">The node; the name of its scheduler is that of the cluster.</param>
    /// <param name="access">Its access to the database.</param>
    /// <param name="clustered">Whether nodes of one name are a cluster; otherwise each of them acts as the only one.</param>
    internal void Use(NodeOptions node, StoreAccess? access = null, bool clustered = true)
    {
        Action<IQuartzBuilder>? quartz = node.Quartz;
        node.Quartz = q =>
        {
            quartz?.Invoke(q);
            q.UsePersistentStore(store =>
            {
                if (access is not null)
                {
                    store.UseDriverDelegate(_ => access);
                }

                // Otherwise the database refuses an object in the job data.
                store.UseSystemTextJsonSerializer(json => json.AddTypeInfoResolver(new DefaultJsonTypeInfoResolver()));
                store.UsePostgres(_server.ConnectionString).ProvisionSchema();
                if (clustered)
                {
                    store.UseClustering();
                }
            });
        };
    }
}

/// <summary>The access of one node to the database, in which a test can intervene.</summary>
internal sealed class StoreAccess : PostgreSQLDelegate
{
    /// <summary>Whether the node fires a trigger that is due, or leaves it to others.</summary>
    public Func<TriggerKey, bool> Fires { get; init; } = _ => true;

    /// <summary>Called after the state of a trigger was read.</summary>
    public Func<TriggerKey, Task> AfterPoll { get; init; } = _ => Task.CompletedTask;

    public override async ValueTask<List<TriggerAcquireResult>> SelectTriggersToAcquire(
        ConnectionAndTransactionHolder conn, TriggerAcquisitionCriteria criteria, CancellationToken cancellationToken = default)
    {
        List<TriggerAcquireResult> due = await base.SelectTriggersToAcquire(conn, criteria, cancellationToken);
        return [.. due.Where(trigger => Fires(trigger.TriggerKey))];
    }

    public override async ValueTask<TriggerExecutionState> SelectTriggerStateWithExecuting(
        ConnectionAndTransactionHolder conn, TriggerKey triggerKey, CancellationToken cancellationToken = default)
    {
        TriggerExecutionState state = await base.SelectTriggerStateWithExecuting(conn, triggerKey, cancellationToken);
        await AfterPoll(triggerKey);
        return state;
    }
}
