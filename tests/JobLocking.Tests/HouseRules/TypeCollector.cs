using System.Collections.Immutable;
using System.Reflection.Metadata;

namespace JobLocking.Tests.HouseRules;

/// <summary>Collects the types of the same assembly that signatures and tokens name. Types of other assemblies are references, and are skipped.</summary>
internal sealed class TypeCollector(MetadataReader metadata) : ISignatureTypeProvider<TypeCollector.None, object?>
{
    public HashSet<TypeDefinitionHandle> Types { get; } = [];

    /// <summary>Adds the types that a token names: its type or declaring type, and generic arguments.</summary>
    public void AddToken(EntityHandle token)
    {
        if (token.IsNil)
        {
            return;
        }

        switch (token.Kind)
        {
            case HandleKind.TypeDefinition:
                Types.Add((TypeDefinitionHandle)token);
                break;
            case HandleKind.TypeSpecification:
                metadata.GetTypeSpecification((TypeSpecificationHandle)token).DecodeSignature(this, null);
                break;
            case HandleKind.FieldDefinition:
                Types.Add(metadata.GetFieldDefinition((FieldDefinitionHandle)token).GetDeclaringType());
                break;
            case HandleKind.MethodDefinition:
                Types.Add(metadata.GetMethodDefinition((MethodDefinitionHandle)token).GetDeclaringType());
                break;
            case HandleKind.MemberReference:
                AddToken(metadata.GetMemberReference((MemberReferenceHandle)token).Parent);
                break;
            case HandleKind.MethodSpecification:
                MethodSpecification generic = metadata.GetMethodSpecification((MethodSpecificationHandle)token);
                AddToken(generic.Method);
                generic.DecodeSignature(this, null);
                break;
        }
    }

    None ISignatureTypeProvider<None, object?>.GetTypeFromSpecification(
        MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
        reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);

    None ISimpleTypeProvider<None>.GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind)
    {
        Types.Add(handle);
        return default;
    }

    None ISimpleTypeProvider<None>.GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => default;

    None ISimpleTypeProvider<None>.GetPrimitiveType(PrimitiveTypeCode typeCode) => default;

    None IConstructedTypeProvider<None>.GetArrayType(None elementType, ArrayShape shape) => default;

    None IConstructedTypeProvider<None>.GetByReferenceType(None elementType) => default;

    None IConstructedTypeProvider<None>.GetGenericInstantiation(None genericType, ImmutableArray<None> typeArguments) => default;

    None IConstructedTypeProvider<None>.GetPointerType(None elementType) => default;

    None ISZArrayTypeProvider<None>.GetSZArrayType(None elementType) => default;

    None ISignatureTypeProvider<None, object?>.GetFunctionPointerType(MethodSignature<None> signature) => default;

    None ISignatureTypeProvider<None, object?>.GetGenericMethodParameter(object? genericContext, int index) => default;

    None ISignatureTypeProvider<None, object?>.GetGenericTypeParameter(object? genericContext, int index) => default;

    None ISignatureTypeProvider<None, object?>.GetModifiedType(None modifier, None unmodifiedType, bool isRequired) => default;

    None ISignatureTypeProvider<None, object?>.GetPinnedType(None elementType) => default;

    /// <summary>The results that the decoder composes; the types are collected along the way.</summary>
    internal readonly record struct None;
}
