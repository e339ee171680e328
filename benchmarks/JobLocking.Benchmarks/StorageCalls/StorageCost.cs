namespace JobLocking.Benchmarks.StorageCalls;

/// <summary>What something costs a storage of Hangfire.</summary>
/// <param name="Calls">The calls of the storage, each at least one round trip where the storage is a server.</param>
/// <param name="States">The changes of state.</param>
/// <param name="Rows">The rows that the history gets.</param>
internal sealed record StorageCost(int Calls, int States, int Rows);
