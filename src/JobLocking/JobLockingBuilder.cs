using Microsoft.Extensions.DependencyInjection;

namespace JobLocking;

/// <summary>Extended by the packages of JobLocking, for example to add a store.</summary>
public sealed class JobLockingBuilder
{
    internal JobLockingBuilder(IServiceCollection services) => Services = services;

    /// <summary>The services of the host.</summary>
    public IServiceCollection Services { get; }
}
