namespace JobLocking.Engine;

/// <summary>The fire times of a schedule after an occurrence.</summary>
/// <param name="Next">The next one, UTC; null if the schedule ends.</param>
/// <param name="Hundredth">
/// About the hundredth one, UTC; null if the schedule ends before, or if it is further away than a mark is kept.
/// </param>
public readonly record struct FollowingFireTimes(DateTimeOffset? Next, DateTimeOffset? Hundredth);
