using System.Collections.Concurrent;
using Hangfire;
using Hangfire.Storage;
using Microsoft.Extensions.Logging;

namespace JobLocking.Hangfire;

/// <summary>
/// Whether the schedule runs a recurring job again by itself, so that an execution of it may be skipped. Workers read it from the
/// storage each time. Elections, which must not ask a storage, use the last answer for a short while.
/// </summary>
internal sealed class RecurringJobs(TimeProvider time, ILogger logger)
{
    private const int MostRemembered = 1000;

    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<(JobStorage Storage, string Id), (bool RunsAgain, long At)> _answers = [];

    /// <summary>Whether the schedule runs a recurring job again, read from the storage. False if it cannot be read.</summary>
    public bool RunsAgain(JobStorage storage, IStorageConnection connection, string id)
    {
        try
        {
            bool runsAgain = RunsAgain(connection.GetAllEntriesFromHash($"recurring-job:{id}"));
            Remember((storage, id), runsAgain);
            return runsAgain;
        }
#pragma warning disable CA1031 // Any fault of any storage.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.ScheduleNotRead(logger, e, id, storage.GetType().Name);
            return false;
        }
    }

    /// <summary>The last answer of the storage; null if it is too old.</summary>
    public bool? Known(JobStorage storage, string id) =>
        _answers.TryGetValue((storage, id), out (bool RunsAgain, long At) answer) && time.GetElapsedTime(answer.At) < Remembered
            ? answer.RunsAgain
            : null;

    /// <summary>
    /// False if the job was removed or has no next execution, or if its schedule also wants the executions that it missed.
    /// </summary>
    private static bool RunsAgain(Dictionary<string, string>? job) =>
        job is not null
        && job.TryGetValue("NextExecution", out string? next) && !string.IsNullOrWhiteSpace(next)
        && !(job.TryGetValue("Misfire", out string? misfire)
            && Enum.TryParse(misfire, out MisfireHandlingMode mode) && mode == MisfireHandlingMode.Strict);

    private void Remember((JobStorage Storage, string Id) job, bool runsAgain)
    {
        if (_answers.Count >= MostRemembered)
        {
            _answers.Clear();
        }

        _answers[job] = (runsAgain, time.GetTimestamp());
    }
}
