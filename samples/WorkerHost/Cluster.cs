using System.Security.Cryptography;
using Garnet;
using Hangfire;
using Hangfire.InMemory;
using Hangfire.Redis.StackExchange;
using JobLocking;
using StackExchange.Redis;
using WorkerHost.Jobs;

namespace WorkerHost;

/// <summary>Runs the nodes of this process from their start to the verdict.</summary>
internal static class Cluster
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs the nodes until the time limit is reached or a stop is requested.</summary>
    public static async Task<Summary> RunAsync(int nodeCount, TimeSpan limit, int port, CancellationToken stop)
    {
        string? redis = new ConfigurationBuilder().AddEnvironmentVariables().Build().GetConnectionString("Redis");
        using GarnetServer? embedded = redis is null ? EmbeddedRedis.Start(out redis) : null;
        Console.WriteLine(embedded is null
            ? "Using the Redis of ConnectionStrings__Redis for the locks and for Hangfire's jobs."
            : $"No ConnectionStrings__Redis: started an embedded Redis-compatible server at {redis}. "
                + "Hangfire keeps its jobs in memory.");

        await using ConnectionMultiplexer connection = await ConnectAsync(redis!);
        JobStorage storage = embedded is null
            // A worker that checks the queue just before a job arrives can miss its signal, and would then sleep for three minutes.
            ? new RedisStorage(
                connection, new RedisStorageOptions { Prefix = "workerhost:hangfire:", FetchTimeout = TimeSpan.FromSeconds(1) })
            : new InMemoryStorage();
        RecurringJobManager recurring = new(storage);
        recurring.AddOrUpdate<Invoices>("invoices", invoices => invoices.Order(), "*/4 * * * * *");
        recurring.AddOrUpdate<Thumbnails>("thumbnails", thumbnails => thumbnails.Order(), "*/4 * * * * *");
        recurring.AddOrUpdate<SearchIndex>("search-index", index => index.Refresh(CancellationToken.None), "*/2 * * * * *");
        recurring.AddOrUpdate<LedgerImport>("ledger-import", ledger => ledger.Run(CancellationToken.None), "*/5 * * * * *");

        string process = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(2));
        Journal journal = new(connection.GetDatabase(), process);
        List<IHost> nodes = [];
        await using WebApplication web = await Dashboard.StartAsync(storage, port);
        Console.WriteLine($"Hangfire dashboard: {web.Urls.First()}/hangfire");
        try
        {
            for (int i = 1; i <= nodeCount; i++)
            {
                nodes.Add(Node.Build($"{process}-{i}", clockSkew: i * TimeSpan.FromMilliseconds(20), redis!, storage, journal));
            }

            return await ObserveAsync(nodes, new Audit(process), journal, limit, stop);
        }
        finally
        {
            // Dispose after all nodes have stopped, because they share Hangfire's logger and storage.
            foreach (IAsyncDisposable node in nodes.Cast<IAsyncDisposable>())
            {
                await node.DisposeAsync();
            }
        }
    }

    private static async Task<Summary> ObserveAsync(List<IHost> nodes, Audit audit, Journal journal, TimeSpan limit, CancellationToken stop)
    {
        await journal.AppendAliveAsync(nodes.Count);
        try
        {
            foreach (IHost node in nodes)
            {
                await node.StartAsync(stop);
            }

            using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(stop);
            end.CancelAfter(limit);
            ITaskLocks locks = nodes[0].Services.GetRequiredService<ITaskLocks>();
            await LiveView.RunAsync(async view =>
            {
                while (!end.IsCancellationRequested)
                {
                    await ShowAsync(view, audit, journal, locks, nodes.Count);
                    await Task.Delay(Interval, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            });
        }
        finally
        {
            Console.WriteLine("Stopping: waiting for the running jobs.");
            await Task.WhenAll(nodes.Select(node => node.StopAsync(CancellationToken.None)));
        }

        await Task.WhenAll(nodes.Select(node => node.Services.GetRequiredService<DecisionLog>().WrittenAsync()));
        return await JudgeAsync(audit, journal, nodes.Count);
    }

    private static async Task<ConnectionMultiplexer> ConnectAsync(string redis)
    {
        // A long time-out, so that a short outage of Redis leaves no gap in the journal.
        ConfigurationOptions configuration = ConfigurationOptions.Parse(redis);
        configuration.AsyncTimeout = (int)TimeSpan.FromSeconds(30).TotalMilliseconds;
        return await ConnectionMultiplexer.ConnectAsync(configuration);
    }

    private static async Task ShowAsync(LiveView view, Audit audit, Journal journal, ITaskLocks locks, int nodes)
    {
        try
        {
            await journal.AppendAliveAsync(nodes);
            List<JournalEntry> news = [.. (await journal.ReadAsync()).Where(audit.Observe)];
            view.Show(await locks.ListAsync().ToListAsync(), news, audit);
        }
        catch (Exception e) when (e is RedisException or TimeoutException or TaskLockUnavailableException)
        {
            view.Report($"Redis does not answer: {e.Message}");
        }
    }

    private static async Task<Summary> JudgeAsync(Audit audit, Journal journal, int nodes)
    {
        for (int round = 0; round == 0 || (audit.HasSuspects && round < 5); round++)
        {
            await Task.Delay(round == 0 ? TimeSpan.Zero : Interval);
            await journal.AppendAliveAsync(nodes);
            foreach (JournalEntry entry in await journal.ReadAsync())
            {
                audit.Observe(entry);
            }
        }

        return audit.Summary;
    }
}
