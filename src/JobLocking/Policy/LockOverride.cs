namespace JobLocking.Policy;

/// <summary>What configuration says about the lock with this template.</summary>
/// <param name="Path">Its path, for messages: <c>JobLocking:Locks:0</c>.</param>
/// <param name="Template">The template of the lock it is for.</param>
/// <param name="Settings">What it sets.</param>
/// <param name="Text">What it sets, for messages: <c>Expire = 300, Limit = 2</c>.</param>
internal sealed record LockOverride(string Path, string Template, LockSettings Settings, string Text);
