namespace JobLocking.Policy;

/// <summary>A lock that <c>ForJob</c> gives to a whole type, or to its methods of one name.</summary>
internal sealed record ForJobDeclaration(Type Type, string? Method, TaskLockAttribute Lock);
