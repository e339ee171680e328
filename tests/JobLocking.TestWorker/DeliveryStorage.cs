using Hangfire;
using Hangfire.PostgreSql;
using Hangfire.PostgreSql.Factories;
using Hangfire.Redis.StackExchange;
using Hangfire.Server;
using Hangfire.Storage.SQLite;
using StackExchange.Redis;

namespace JobLocking.TestWorker;

/// <summary>A storage that delivers a job again if its run takes longer than the invisibility timeout.</summary>
public enum DeliveryStorages
{
    Redis,
    PostgreSql,

    /// <summary>Its invisibility timeout slides: it delivers again only what nothing has kept alive.</summary>
    PostgreSqlSliding,
    Sqlite,
}

internal static class DeliveryStorage
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(500);

    /// <param name="storages">Which storage.</param>
    /// <param name="address">Of Redis or PostgreSQL; the path of the database in SQLite.</param>
    /// <param name="invisibility">Whole seconds.</param>
    public static JobStorage Create(DeliveryStorages storages, string address, TimeSpan invisibility)
    {
        switch (storages)
        {
            case DeliveryStorages.Redis:
                return new RedisStorage(address, new RedisStorageOptions { InvisibilityTimeout = invisibility, FetchTimeout = Poll });
            case DeliveryStorages.Sqlite:
                return new SQLiteStorage(address, new SQLiteStorageOptions
                {
                    InvisibilityTimeout = invisibility,
                    QueuePollInterval = Poll,

                    // A killed process may hold the lock of the schedule, and nothing postponed comes before that lock is free.
                    DistributedLockLifetime = TimeSpan.FromSeconds(10),
                });
            default:
                PostgreSqlStorageOptions options = new()
                {
                    InvisibilityTimeout = invisibility,
                    UseSlidingInvisibilityTimeout = storages == DeliveryStorages.PostgreSqlSliding,
                    QueuePollInterval = Poll,
                    DistributedLockTimeout = TimeSpan.FromSeconds(30),
                    AllowDegradedModeWithoutStorage = false,
                };
                return new PostgreSqlStorage(new NpgsqlConnectionFactory(address, options), options);
        }
    }

    /// <summary>
    /// Storage in Redis looks for jobs to deliver again once a minute. This does the same each second, with its own code: a component whose
    /// token is cancelled does its work once, and does not sleep.
    /// </summary>
    public static void HastenDeliveries(JobStorage storage)
    {
#pragma warning disable CS0618 // Obsolete for users; storages have nothing else.
        IServerComponent? watcher = storage.GetComponents().FirstOrDefault(component => component.GetType().Name == "FetchedJobsWatcher");
#pragma warning restore CS0618
        if (watcher is not null)
        {
            new Thread(() =>
            {
                while (true)
                {
                    try
                    {
                        watcher.Execute(new CancellationToken(canceled: true));
                    }
                    catch (RedisException error)
                    {
                        WorkerOutput.Report($"deliveries not hastened: {error.Message}"); // The next attempt is soon.
                    }

                    Thread.Sleep(TimeSpan.FromSeconds(1));
                }
            })
            { IsBackground = true, Name = "deliveries" }.Start();
        }
    }
}
