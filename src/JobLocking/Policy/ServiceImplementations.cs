using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Policy;

/// <summary>Which class the container of the host creates for a type, as far as its registrations tell.</summary>
internal sealed class ServiceImplementations(IServiceCollection? services)
{
    /// <summary>The class that the container creates for a type; null if it is not registered, or its factory does not tell.</summary>
    public Type? ImplementationOf(Type service)
    {
        if (Of(service) is not { } descriptor)
        {
            return null;
        }

        if ((descriptor.ImplementationType ?? descriptor.ImplementationInstance?.GetType()) is { } type)
        {
            return type.IsGenericTypeDefinition ? OpenGenericTypes.Close(type, service) : type;
        }

        return CreatedBy(descriptor) is { IsAbstract: false } created && created != service && service.IsAssignableFrom(created)
            ? created
            : null;
    }

    /// <summary>The type that a registration says it creates; a factory says it by the type of its delegate.</summary>
    public static Type? CreatedBy(ServiceDescriptor descriptor) =>
        descriptor.IsKeyedService ? null
        : descriptor.ImplementationType
            ?? descriptor.ImplementationInstance?.GetType()
            ?? descriptor.ImplementationFactory?.GetType().GenericTypeArguments[1];

    private ServiceDescriptor? Of(Type service) =>
        services?.LastOrDefault(s => !s.IsKeyedService && s.ServiceType == service)
        ?? (service is { IsGenericType: true, IsGenericTypeDefinition: false } ? Of(service.GetGenericTypeDefinition()) : null);
}
