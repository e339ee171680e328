using JobLocking.Stores;

namespace JobLocking.TestKit;

/// <summary>Renewals whose answers are examined together, at the end.</summary>
public static class RenewalExtensions
{
    /// <summary>Renews leases, and fills in what became of each.</summary>
    public static ValueTask RenewAsync(this ILockStore store, RenewRequest[] leases, RenewOutcome[] outcomes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(outcomes);
        Array.Clear(outcomes); // Transient, until there is an answer
        return store.RenewAsync(
            leases,
            answers =>
            {
                foreach (RenewResult answer in answers)
                {
                    outcomes[answer.Index] = answer.Outcome;
                }
            },
            cancellationToken);
    }
}
