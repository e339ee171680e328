using JobLocking.Engine;
using JobLocking.Policy;
using JobLocking.Simulation.Network;
using JobLocking.Stores;

namespace JobLocking.Simulation.Load;

/// <summary>One execution of a job, from its submission to its end, through deferrals, retries and the death of processes.</summary>
internal sealed class JobExecution(string name, Job job, LockOccurrence? occurrence, ExecutionOrigin origin, Node? home)
{
    public string Name { get; } = name;

    public Job Job { get; } = job;

    /// <summary>The node whose scheduler has it in memory; null where all share one storage.</summary>
    public Node? Home { get; } = home;

    public LockOccurrence? Occurrence { get; set; } = occurrence;

    public ExecutionOrigin Origin { get; set; } = origin;

    public int RetriesLeft { get; set; } = job.Retries;

    /// <summary>What the last deferral has left for the next attempt; null if the present attempt was not deferred.</summary>
    public DeferralState? State { get; set; }

    /// <summary>The number of the stored deferral; 0 if there is none.</summary>
    public int Deferral { get; set; }

    /// <summary>The nodes that have deferred it since it began to wait.</summary>
    public HashSet<Node> DeferredBy { get; } = [];

    /// <summary>The node on which it runs; null while it does not run.</summary>
    public Node? RunsOn { get; set; }

    public bool IsOver { get; set; }
}
