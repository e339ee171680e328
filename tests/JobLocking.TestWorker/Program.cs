using JobLocking.TestWorker;
using JobLocking.TestWorker.Chaos;

// A worker process as a user would write one, for the tests that need several. The first argument is its role, the second the address of
// its Redis. It reports what it observes on its output, a line for each fact.
return args switch
{
    ["counter", var redis, var file, var count] => await Counter.RunAsync(redis, file, int.Parse(count)),
    ["quartz", var redis, var node, var startAt] => await QuartzWorker.RunAsync(redis, node, startAt),
    ["take-over", var redis, var node, .. var database] => await TakeOverWorker.RunAsync(redis, node, database.SingleOrDefault()),
    ["hangfire", var redis, var node] => await HangfireWorker.RunAsync(redis, node),
    ["delivery", var locks, var storages, var address, var invisibility, var workers, var registration] => await DeliveryWorker.RunAsync(locks, storages, address, invisibility, workers, registration == "decorated"),
    ["queue", var locks, var jobs, var deployment, var limit] => await QueueWorker.RunAsync(locks, jobs, deployment, int.Parse(limit)),
    ["job", var locks, var resource, var node, var scheduler, .. { Length: 3 } terms] => await JobWorker.RunAsync(locks, resource, node, scheduler, terms[0], terms[1], terms[2]),
    ["starved", var redis, var expire, var blockers] => await StarvedWorker.RunAsync(redis, TimeSpan.FromSeconds(int.Parse(expire)), int.Parse(blockers)),
    ["resources", var redis] => await ResourcesWorker.RunAsync(redis),
    ["chaos", var locks, var resource, var process] => await ChaosWorker.RunAsync(locks, resource, process),
    ["quartz-chaos", var locks, var resource, var process] => await QuartzChaosWorker.RunAsync(locks, resource, process),
    ["hangfire-chaos", var locks, var resource, var process] => await HangfireChaosWorker.RunAsync(locks, resource, process),
    ["occurrences", var locks, _, var process, var ahead] => await OccurrenceWorker.RunAsync(locks, process, ahead),
    ["pod", var locks, var milliseconds, var ahead] => await PodWorker.RunAsync(locks, milliseconds, ahead),
    _ => throw new ArgumentException($"Unknown: {string.Join(' ', args)}"),
};
