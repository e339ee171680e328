using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace JobLocking.Tests.HouseRules;

/// <summary>
/// Reads from a compiled assembly which folder uses which: from signatures, fields, attributes and the bodies of all methods. A folder is
/// the first part of the namespace below the root namespace. What a compiler generates inside a type (closures, state machines) counts
/// as the type itself. Constants and <c>nameof</c> leave no trace in an assembly.
/// </summary>
internal sealed class FolderDependencies
{
    /// <summary>The types of the root namespace, and extension classes in the namespaces of others.</summary>
    public const string Root = "(root)";

    private readonly string _rootNamespace;

    private readonly MetadataReader _metadata;

    private readonly PEReader _assembly;

    private FolderDependencies(PEReader assembly, string rootNamespace)
    {
        _assembly = assembly;
        _rootNamespace = rootNamespace;
        _metadata = assembly.GetMetadataReader();
    }

    /// <summary>
    /// The dependencies between folders. Public types of the root may use every folder and may be used by every folder, and
    /// are left out; internal ones are not.
    /// </summary>
    public static IReadOnlyList<TypeDependency> In(Assembly assembly, string rootNamespace)
    {
        using PEReader file = new(File.OpenRead(assembly.Location));
        return [.. new FolderDependencies(file, rootNamespace).Read().Distinct()];
    }

    private IEnumerable<TypeDependency> Read()
    {
        foreach (TypeDefinitionHandle handle in _metadata.TypeDefinitions)
        {
            TypeDefinition from = _metadata.GetTypeDefinition(OutermostOf(handle));
            if (FolderOf(from) is not { } fromFolder)
            {
                continue;
            }

            TypeCollector needed = new(_metadata);
            CollectType(_metadata.GetTypeDefinition(handle), needed);
            foreach (TypeDefinitionHandle type in needed.Types)
            {
                TypeDefinition to = _metadata.GetTypeDefinition(OutermostOf(type));
                if (FolderOf(to) is { } toFolder && toFolder != fromFolder)
                {
                    yield return new TypeDependency(fromFolder, NameOf(from), toFolder, NameOf(to));
                }
            }
        }
    }

    private TypeDefinitionHandle OutermostOf(TypeDefinitionHandle type)
    {
        TypeDefinitionHandle outer = _metadata.GetTypeDefinition(type).GetDeclaringType();
        return outer.IsNil ? type : OutermostOf(outer);
    }

    /// <summary>The folder of a type; null for a public type of the root, and for what a compiler puts outside of all namespaces.</summary>
    private string? FolderOf(TypeDefinition type)
    {
        string space = _metadata.GetString(type.Namespace);
        return space.StartsWith($"{_rootNamespace}.", StringComparison.Ordinal) ? space[(_rootNamespace.Length + 1)..].Split('.')[0]
            : space.Length == 0 || type.Attributes.HasFlag(TypeAttributes.Public) ? null
            : Root;
    }

    private string NameOf(TypeDefinition type) => _metadata.GetString(type.Name).Split('`')[0];

    private void CollectType(TypeDefinition type, TypeCollector types)
    {
        CollectAttributes(type.GetCustomAttributes(), types);
        CollectConstraints(type.GetGenericParameters(), types);
        types.AddToken(type.BaseType);
        foreach (InterfaceImplementationHandle implemented in type.GetInterfaceImplementations())
        {
            types.AddToken(_metadata.GetInterfaceImplementation(implemented).Interface);
        }

        foreach (FieldDefinition field in type.GetFields().Select(_metadata.GetFieldDefinition))
        {
            CollectAttributes(field.GetCustomAttributes(), types);
            field.DecodeSignature(types, null);
        }

        foreach (PropertyDefinition property in type.GetProperties().Select(_metadata.GetPropertyDefinition))
        {
            CollectAttributes(property.GetCustomAttributes(), types);
        }

        foreach (MethodDefinition method in type.GetMethods().Select(_metadata.GetMethodDefinition))
        {
            CollectMethod(method, types);
        }
    }

    private void CollectMethod(MethodDefinition method, TypeCollector types)
    {
        CollectAttributes(method.GetCustomAttributes(), types);
        CollectConstraints(method.GetGenericParameters(), types);
        method.DecodeSignature(types, null);
        foreach (ParameterHandle parameter in method.GetParameters())
        {
            CollectAttributes(_metadata.GetParameter(parameter).GetCustomAttributes(), types);
        }

        if (method.RelativeVirtualAddress == 0)
        {
            return;
        }

        MethodBodyBlock body = _assembly.GetMethodBody(method.RelativeVirtualAddress);
        if (!body.LocalSignature.IsNil)
        {
            _metadata.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(types, null);
        }

        foreach (ExceptionRegion region in body.ExceptionRegions.Where(r => r.Kind == ExceptionRegionKind.Catch))
        {
            types.AddToken(region.CatchType);
        }

        foreach (EntityHandle token in MethodTokens.Of(body))
        {
            types.AddToken(token);
        }
    }

    private void CollectConstraints(GenericParameterHandleCollection parameters, TypeCollector types)
    {
        foreach (GenericParameterHandle parameter in parameters)
        {
            foreach (GenericParameterConstraintHandle constraint in _metadata.GetGenericParameter(parameter).GetConstraints())
            {
                types.AddToken(_metadata.GetGenericParameterConstraint(constraint).Type);
            }
        }
    }

    private void CollectAttributes(CustomAttributeHandleCollection attributes, TypeCollector types)
    {
        foreach (CustomAttributeHandle attribute in attributes)
        {
            types.AddToken(_metadata.GetCustomAttribute(attribute).Constructor);
        }
    }
}
