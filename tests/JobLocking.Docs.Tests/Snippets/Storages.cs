using Hangfire;
using Hangfire.PostgreSql;
using Hangfire.Redis.StackExchange;
using Microsoft.Extensions.Hosting;

namespace JobLocking.Docs.Snippets;

public static class Storages
{
    public static void PostgreSql(HostApplicationBuilder builder, string connectionString)
    {
        #region hangfire-postgresql
        builder.Services.AddHangfire((sp, hangfire) => hangfire
            .UsePostgreSqlStorage(
                storage => storage.UseNpgsqlConnection(connectionString),
                new PostgreSqlStorageOptions
                {
                    UseSlidingInvisibilityTimeout = true,
                    InvisibilityTimeout = TimeSpan.FromMinutes(5),
                    DistributedLockTimeout = TimeSpan.FromMinutes(1),
                })
            .UseTaskLocks(sp));
        #endregion
    }

    public static RedisStorageOptions Redis()
    {
        #region hangfire-redis
        RedisStorageOptions options = new() { FetchTimeout = TimeSpan.FromSeconds(5) };
        #endregion

        return options;
    }
}
