namespace JobLocking.Policy;

/// <summary>What configuration says about the lock with this template.</summary>
/// <param name="Path">Where it stands, for messages: <c>JobLocking:Locks:0</c>.</param>
/// <param name="Template">The template of the lock it is for.</param>
/// <param name="Settings">What it sets.</param>
internal sealed record LockOverride(string Path, string Template, LockSettings Settings);
