using Hangfire;
using Hangfire.Server;
using Newtonsoft.Json.Linq;

#pragma warning disable IDE0060 // Arguments that the name of the lock is made from.

namespace JobLocking.Hangfire.Tests;

[AutomaticRetry(Attempts = 0)]
public class Work(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("work:{key}", DeferBy = 1)]
    public Task Auto(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", DeferBy = 1, OnConflict = LockConflict.Skip)]
    public Task Skip(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", DeferBy = 1, OnConflict = LockConflict.Fail)]
    public Task Fail(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", DeferBy = 1, GiveUpAfter = 2)]
    public Task GiveUp(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", DeferBy = 1)]
    [Queue("critical")]
    public Task Critical(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}")]
    public async Task Careful(string key, string probe, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, leases.Required.Lost);
        await probes[probe].RunAsync(leases, either.Token);
    }

    [TaskLock("work:{key}", MinHold = 60)]
    public string Brief(string key) => leases.Required.Name;

    public Task Free(string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    public string Forgotten() => leases.Required.Name;
}

/// <summary>A delivery of it that is postponed comes back soon.</summary>
[AutomaticRetry(Attempts = 0)]
public class ShortLeases(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("work:{key}", Expire = 5, DeferBy = 1)]
    public Task Run(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", Expire = 5, DeferBy = 15, Wait = 3600)]
    public Task RunInPlace(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("beside:{key}", Expire = 5, Limit = 2)]
    public Task RunBeside(string key, string probe) => probes[probe].RunAsync(leases, CancellationToken.None);

    [TaskLock("work:{key}", Expire = 5, OnConflict = LockConflict.Fail)]
    public Task RunOrFail(string key, string probe) => probes[probe].RunAsync(leases, CancellationToken.None);

    [TaskLock("work:{key}", Expire = 5, OnConflict = LockConflict.Skip)]
    public Task RunOrSkip(string key, string probe) => probes[probe].RunAsync(leases, CancellationToken.None);
}

/// <summary>Comes back by itself only after all tests have ended: a job that runs was woken.</summary>
[AutomaticRetry(Attempts = 0)]
public class Patient(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("work:{key}", DeferBy = 3600)]
    public Task Run(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", DeferBy = 3600, Wait = 3600)]
    public Task RunInPlace(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);
}

[AutomaticRetry(Attempts = 0)]
public class CriticalPatient(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("work:{key}", DeferBy = 3600)]
    [Queue("critical")]
    public Task Run(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);
}

[AutomaticRetry(Attempts = 0)]
public class DoublingWork(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("work:{key}", DeferBy = 100)]
    public Task Run(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);
}

/// <summary>Retried an hour later, so that a test decides when.</summary>
[AutomaticRetry(Attempts = 3, DelaysInSeconds = [3600])]
public class RetriedWork(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("work:{key}", DeferBy = 1)]
    public Task Auto(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", DeferBy = 1, OnConflict = LockConflict.Skip)]
    public Task Skip(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", DeferBy = 1, OnConflict = LockConflict.Defer)]
    public Task Defer(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", OnConflict = LockConflict.Fail)]
    public Task Fail(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", DeferBy = 1, GiveUpAfter = 2)]
    public Task GiveUp(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);
}

/// <summary>One job for each way in which Hangfire gives a job its token.</summary>
[AutomaticRetry(Attempts = 0)]
public class Watching(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("work:{key}")]
    public Task Token(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}", Expire = 15)]
    public Task SoonRenewed(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken);

    [TaskLock("work:{key}")]
    public Task ShutdownToken(string key, string probe, IJobCancellationToken token) => probes[probe].RunAsync(leases, token.ShutdownToken);

    /// <summary>A synchronous job that asks again and again.</summary>
    [TaskLock("work:{key}")]
    public void Throw(string key, string probe, IJobCancellationToken token)
    {
        Task run = probes[probe].RunAsync(leases, CancellationToken.None);
        while (!run.IsCompleted)
        {
            token.ThrowIfCancellationRequested();
            Thread.Sleep(10);
        }
    }

    [TaskLock("work:{key}")]
    public Task Context(string key, string probe, PerformContext? context) => probes[probe].RunAsync(leases, context!.CancellationToken.ShutdownToken);

    /// <summary>A synchronous job that waits for its tasks.</summary>
    [TaskLock("work:{key}")]
    public void Waits(string key, string probe, CancellationToken cancellationToken) => probes[probe].RunAsync(leases, cancellationToken).Wait(CancellationToken.None);

    /// <summary>Looks at its token only at the end.</summary>
    [TaskLock("work:{key}")]
    public async Task Late(string key, string probe, CancellationToken cancellationToken)
    {
        await probes[probe].RunAsync(leases, CancellationToken.None);
        cancellationToken.ThrowIfCancellationRequested();
    }

    [TaskLock("work:{key}")]
    public Task Never(string key, string probe) => probes[probe].RunAsync(leases, CancellationToken.None);

    [TaskLock("work:{key}")]
    public string TokenType(string key, PerformContext? context) => context!.CancellationToken.GetType().Name;

    public string FreeTokenType(PerformContext? context) => context!.CancellationToken.GetType().Name;
}

public sealed record Order(Guid Id, string? Note);

public sealed record Appointment(DateTime Day, DateTimeOffset Instant);

[AutomaticRetry(Attempts = 0)]
public class Named(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("index:{1}")]
    public Task ByIndex(string other, int number) => probes["named"].RunAsync(leases, default);

    [TaskLock("name:{number}")]
    public Task ByName(string other, int number) => probes["named"].RunAsync(leases, default);

    [TaskLock("property:{order.Id}")]
    public Task ByProperty(Order order) => probes["named"].RunAsync(leases, default);

    [TaskLock("null:{order.Note}")]
    public Task ByNothing(Order order) => probes["named"].RunAsync(leases, default);

    [TaskLock("day:{day}")]
    public Task ByTime(DateTime day) => probes["named"].RunAsync(leases, default);

    [TaskLock("day:{day}")]
    public Task ByInstant(DateTimeOffset day) => probes["named"].RunAsync(leases, default);

    [TaskLock("day:{at.Day}")]
    public Task ByTimeOf(Appointment at) => probes["named"].RunAsync(leases, default);

    [TaskLock("day:{at.Instant}")]
    public Task ByInstantOf(Appointment at) => probes["named"].RunAsync(leases, default);

    [TaskLock("day:{day}")]
    public Task ByJson(JValue day) => probes["named"].RunAsync(leases, default);
}

[TaskLock("of-the-interface")]
public interface IOnInterface
{
    Task ByType();

    [TaskLock("of-the-interface's-method")]
    Task ByMethod();
}

public class OnInterface(JobProbes probes, ITaskLeaseAccessor leases) : IOnInterface
{
    public Task ByType() => probes["placed"].RunAsync(leases, default);

    public Task ByMethod() => probes["placed"].RunAsync(leases, default);
}

[TaskLock("of-the-class")]
public class OnClass(JobProbes probes, ITaskLeaseAccessor leases) : IOnInterface
{
    public Task ByType() => probes["placed"].RunAsync(leases, default);

    [TaskLock("of-the-method")]
    public Task ByMethod() => probes["placed"].RunAsync(leases, default);
}

public class Inherited(JobProbes probes, ITaskLeaseAccessor leases) : OnClass(probes, leases);

/// <summary>It has no lock of its own.</summary>
public interface IUndecorated
{
    Task Openly();

    Task Explicitly();
}

public class Undecorated(JobProbes probes, ITaskLeaseAccessor leases) : IUndecorated
{
    [TaskLock("of-the-implementation")]
    public Task Openly() => probes["placed"].RunAsync(leases, default);

    [TaskLock("of-the-explicit-implementation")]
    Task IUndecorated.Explicitly() => probes["placed"].RunAsync(leases, default);

    /// <summary>Not decorated here, because otherwise no host of these tests would start.</summary>
    internal Task Hidden() => probes["placed"].RunAsync(leases, default);
}

/// <summary>Stands for a class from a package, which cannot be decorated.</summary>
[AutomaticRetry(Attempts = 0)]
public class ThirdParty(JobProbes probes, ITaskLeaseAccessor leases)
{
    public Task Report(string tenant) => probes["placed"].RunAsync(leases, default);

    public Task Clean() => probes["placed"].RunAsync(leases, default);
}

[AutomaticRetry(Attempts = 0)]
[TaskLock("once", OncePerOccurrence = OncePerOccurrence.Always)]
public class Once(JobProbes probes, ITaskLeaseAccessor leases)
{
    public Task Run() => probes["once"].RunAsync(leases, default);
}

/// <summary>One job for each value of <see cref="LockUnavailable"/>.</summary>
[AutomaticRetry(Attempts = 0)]
public class Unavailable(JobProbes probes, ITaskLeaseAccessor leases)
{
    [TaskLock("unavailable", DeferBy = 1)]
    public Task Defer() => probes["unavailable"].RunAsync(leases, default);

    [TaskLock("unavailable", OnUnavailable = LockUnavailable.Fail)]
    public Task Fail() => probes["unavailable"].RunAsync(leases, default);

    [TaskLock("unavailable", OnUnavailable = LockUnavailable.Run)]
    public Task Run() => probes["unavailable"].RunAsync(leases, default);

    [TaskLock("unavailable", OnUnavailable = LockUnavailable.Run)]
    public string RunInsisting() => leases.Required.Name;
}

/// <summary>Looks like the job of a Quartz scheduler in the same process, whose placeholders are none of Hangfire's business.</summary>
public class QuartzJob
{
    [TaskLock("{key-of-the-job-data-map}")]
    public Task Execute(global::Quartz.IJobExecutionContext context) => Task.CompletedTask;
}
