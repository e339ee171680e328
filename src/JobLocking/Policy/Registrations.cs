using Microsoft.Extensions.DependencyInjection;

namespace JobLocking.Policy;

/// <summary>What the registrations of the host tell of the class that its container makes of a type.</summary>
internal sealed class Registrations(IServiceCollection? services)
{
    /// <summary>The class that the container makes of a type; null if the type is not registered, or by a factory that does not tell.</summary>
    public Type? ImplementationOf(Type service)
    {
        if (Of(service) is not { } descriptor)
        {
            return null;
        }

        if ((descriptor.ImplementationType ?? descriptor.ImplementationInstance?.GetType()) is { } type)
        {
            return type.IsGenericTypeDefinition ? Generics.Close(type, service) : type;
        }

        return MadeBy(descriptor) is { IsAbstract: false } made && made != service && service.IsAssignableFrom(made) ? made : null;
    }

    /// <summary>The type that a registration says it makes; a factory says it by the type of its delegate.</summary>
    public static Type? MadeBy(ServiceDescriptor descriptor) =>
        descriptor.IsKeyedService ? null
        : descriptor.ImplementationType
            ?? descriptor.ImplementationInstance?.GetType()
            ?? descriptor.ImplementationFactory?.GetType().GenericTypeArguments[1];

    private ServiceDescriptor? Of(Type service) =>
        services?.LastOrDefault(s => !s.IsKeyedService && s.ServiceType == service)
        ?? (service is { IsGenericType: true, IsGenericTypeDefinition: false } ? Of(service.GetGenericTypeDefinition()) : null);
}
