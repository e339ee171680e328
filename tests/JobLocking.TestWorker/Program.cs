using JobLocking.TestWorker;

// A worker process as a user would write one, for the tests that need several: what it does is its first argument, where
// its Redis is the second, and what it saw it says on its output, a line for each fact.
return args switch
{
    ["counter", var redis, var file, var count] => await Counter.RunAsync(redis, file, int.Parse(count)),
    ["quartz", var redis, var node, var startAt] => await QuartzWorker.RunAsync(redis, node, startAt),
    ["hangfire", var redis, var node] => await HangfireWorker.RunAsync(redis, node),
    ["queue", var locks, var jobs, var deployment, var limit] => await QueueWorker.RunAsync(locks, jobs, deployment, int.Parse(limit)),
    _ => throw new ArgumentException($"Unknown: {string.Join(' ', args)}"),
};
