using System.Reflection;
using Castle.DynamicProxy;
using Hangfire;
using Hangfire.Storage;

namespace JobLocking.Benchmarks.StorageCalls;

/// <summary>
/// Counts what the workers of a server, and the wake-ups of its deferred jobs, ask of a storage: each call of a connection, each commit of a
/// transaction, each release of a lock and each removal from a queue. Not what Hangfire's background processes ask at intervals of their
/// own, and not the wait for the next job.
/// </summary>
internal sealed class CountedStorage
{
    private static readonly ProxyGenerator Proxies = new();

    private int _calls;

    private int _states;

    private int _rows;

    public CountedStorage(JobStorage storage) => Storage = Class(storage, new ConnectionsOf(this));

    /// <summary>The storage for the server to use.</summary>
    public JobStorage Storage { get; }

    /// <summary>Returns what was counted since the last call.</summary>
    public StorageCost Take() =>
        new(Interlocked.Exchange(ref _calls, 0), Interlocked.Exchange(ref _states, 0), Interlocked.Exchange(ref _rows, 0));

    private static T Class<T>(T target, IInterceptor interceptor)
        where T : class => Proxies.CreateClassProxyWithTarget(target, interceptor);

    private static T Interface<T>(T target, IInterceptor interceptor)
        where T : class => Proxies.CreateInterfaceProxyWithTarget(target, interceptor);

    private static void Count(ref int counter)
    {
        // Hangfire names the threads of its processes, "DelayedJobScheduler #1" for example.
        if (Thread.CurrentThread.Name is not { } name || !name.Contains('#', StringComparison.Ordinal) || name.StartsWith("Worker", StringComparison.Ordinal))
        {
            Interlocked.Increment(ref counter);
        }
    }

    private sealed class ConnectionsOf(CountedStorage counted) : IInterceptor
    {
        public void Intercept(IInvocation invocation)
        {
            invocation.Proceed();
            if (invocation.ReturnValue is JobStorageConnection connection)
            {
                invocation.ReturnValue = Class(connection, new CallsOf(counted));
            }
        }
    }

    private sealed class CallsOf(CountedStorage counted) : IInterceptor
    {
        public void Intercept(IInvocation invocation)
        {
            if (invocation.Method.Name is not (nameof(IDisposable.Dispose) or nameof(IStorageConnection.CreateWriteTransaction) or nameof(IStorageConnection.FetchNextJob)))
            {
                Count(ref counted._calls);
            }

            invocation.Proceed();
            invocation.ReturnValue = invocation.ReturnValue switch
            {
                JobStorageTransaction transaction => Class(transaction, new CommitsOf(counted)),
                IFetchedJob fetched => Interface(fetched, new EndsOf(counted, nameof(IFetchedJob.RemoveFromQueue), nameof(IFetchedJob.Requeue))),
                IDisposable held => Interface(held, new EndsOf(counted, nameof(IDisposable.Dispose))),
                var other => other,
            };
        }
    }

    private sealed class CommitsOf(CountedStorage counted) : IInterceptor
    {
        public void Intercept(IInvocation invocation)
        {
            MethodInfo method = invocation.Method;
            switch (method.Name)
            {
                case nameof(IWriteOnlyTransaction.Commit) or nameof(JobStorageTransaction.AcquireDistributedLock):
                    Count(ref counted._calls);
                    break;
                case nameof(IWriteOnlyTransaction.SetJobState):
                    Count(ref counted._states);
                    Count(ref counted._rows);
                    break;
                case nameof(IWriteOnlyTransaction.AddJobState):
                    Count(ref counted._rows);
                    break;
            }

            invocation.Proceed();
        }
    }

    private sealed class EndsOf(CountedStorage counted, params string[] methods) : IInterceptor
    {
        public void Intercept(IInvocation invocation)
        {
            if (methods.Contains(invocation.Method.Name))
            {
                Count(ref counted._calls);
            }

            invocation.Proceed();
        }
    }
}
