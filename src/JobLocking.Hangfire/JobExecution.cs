using System.Globalization;
using System.Reflection;
using Hangfire;
using Hangfire.Common;
using Hangfire.Server;
using Hangfire.States;
using JobLocking.Engine;
using JobLocking.Policy;

namespace JobLocking.Hangfire;

/// <summary>Describes the execution of a Hangfire job to the engine.</summary>
internal static class JobExecution
{
    public const string Scheduler = "Hangfire";

    public static LockExecution Describe(
        PerformContext context, LockPolicy policy, AttemptRecord record, RecurringJobs recurring, Installations installations) => Describe(
        context.BackgroundJob,
        policy,
        record,
        () => context.GetJobParameter<int>("RetryCount", allowStale: true),
        context.GetJobParameter<string?>("RecurringJobId", allowStale: true),
        id => recurring.RunsAgain(context.Storage, context.Connection, id),
        installations,
        context.Storage,
        context.ServerId);

    /// <remarks>
    /// An election does not ask the storage whether the schedule runs the job again. If it is not known, a worker decides.
    /// </remarks>
    public static LockExecution Describe(
        ElectStateContext context, LockPolicy policy, AttemptRecord record, RecurringJobs recurring, Installations installations)
        => Describe(
        context.BackgroundJob,
        policy,
        record,
        () => context.GetJobParameter<int>("RetryCount", allowStale: true),
        context.GetJobParameter<string?>("RecurringJobId", allowStale: true),
        id => recurring.Known(context.Storage, id) ?? false,
        installations,
        context.Storage,
        (context.CandidateState as ProcessingState)?.ServerId);

    private static LockExecution Describe(
        BackgroundJob backgroundJob,
        LockPolicy policy,
        AttemptRecord record,
        Func<int> retries,
        string? recurringJobId,
        Func<string, bool> runsAgain,
        Installations installations,
        JobStorage? storage,
        string? serverId)
    {
        if (policy.OncePerOccurrence == OncePerOccurrence.Always)
        {
            throw new TaskLockException(NoOccurrence(policy));
        }

        Job job = backgroundJob.Job;
        DeferralState? state = record.State;
        return new LockExecution
        {
            Policy = policy,
            Name = LockName(policy, job),
            Scheduler = Scheduler,
            Job = Name(job, recurringJobId),

            // A job without a schedule is never the same job as another.
            Identity = policy.ComparesJobs && recurringJobId is not null
                ? JobIdentity.Of(job, recurringJobId, installations.NameOf(storage, serverId))
                : null,
            Execution = backgroundJob.Id,
            Origin = Origin(),
            RunsAgain = recurringJobId is null ? null : new Lazy<bool>(() => runsAgain(recurringJobId), isThreadSafe: false),
            Deferral = state,
        };

        ExecutionOrigin Origin()
        {
            if (state is not null)
            {
                return ExecutionOrigin.Deferred;
            }

            ExecutionOrigin first = recurringJobId is null ? ExecutionOrigin.OneOff : ExecutionOrigin.Recurring;

            // On many storages this is a round trip, so only if it makes a difference.
            if (policy.MaySkip(first) && retries() > 0)
            {
                return ExecutionOrigin.Retry;
            }

            return record.Begun ? ExecutionOrigin.Redelivery : first;
        }
    }

    /// <summary>The resolved name of a job's lock.</summary>
    public static string LockName(LockPolicy policy, Job job) =>
        policy.ResolveName(placeholder => IndexOf(job.Method, placeholder) is var i and >= 0 ? job.Args[i] : null);

    /// <summary>The position of the argument that a placeholder means, by number or by the parameter's name; -1 if there is none.</summary>
    public static int IndexOf(MethodInfo method, string placeholder)
    {
        ParameterInfo[] parameters = method.GetParameters();
        return int.TryParse(placeholder, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
            ? index < parameters.Length ? index : -1
            : Array.FindIndex(parameters, p => p.Name == placeholder);
    }

    /// <summary>Hangfire does not say for which scheduled time it created a job, so its nodes cannot recognise an occurrence.</summary>
    public static string NoOccurrence(LockPolicy policy) =>
        $"Lock '{policy.Template}' of job {policy.Job}: OncePerOccurrence is Always, but a Hangfire job has no occurrence; "
        + "its storage creates one job for each already. "
        + "Fix: leave OncePerOccurrence out; for nodes on storages of their own use MinHold.";

    /// <summary>
    /// For people, as the dashboard shows it: <c>Invoices.Send</c>, and <c>Invoices.Send [nightly]</c> for a recurring job. The identity
    /// of a job is <see cref="JobIdentity"/>.
    /// </summary>
    private static string Name(Job job, string? recurringJobId) =>
        recurringJobId is null ? job.ToString(includeQueue: false) : $"{job.ToString(includeQueue: false)} [{recurringJobId}]";
}
