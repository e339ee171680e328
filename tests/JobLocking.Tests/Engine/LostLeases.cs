using System.Diagnostics.CodeAnalysis;
using JobLocking.Leasing;
using Xunit;

namespace JobLocking.Tests.Engine;

internal static class LostLeases
{
    /// <summary>Ends a lease as its process does when it learns of the loss.</summary>
    public static void Lose([NotNull] this TaskLease? lease, LeaseLoss loss)
    {
        Assert.NotNull(lease);
        lease.Leases.Held.Lose(lease.Held, loss);
    }
}
