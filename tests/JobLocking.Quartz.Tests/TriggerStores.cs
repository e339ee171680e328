namespace JobLocking.Quartz.Tests;

/// <summary>Where the nodes of an application keep their triggers.</summary>
public enum TriggerStores
{
    /// <summary>Each node has a store of its own in memory, so every node fires every trigger.</summary>
    Unshared,

    /// <summary>The nodes are a cluster on one database, in which one of them fires a trigger.</summary>
    Clustered,
}
