using Microsoft.Extensions.DependencyInjection;

namespace JobLocking;

/// <summary>Where the packages of JobLocking add their part: the store, above all.</summary>
public sealed class JobLockingBuilder
{
    internal JobLockingBuilder(IServiceCollection services) => Services = services;

    /// <summary>The services of the host.</summary>
    public IServiceCollection Services { get; }
}
