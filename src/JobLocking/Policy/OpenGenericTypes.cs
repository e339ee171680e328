namespace JobLocking.Policy;

/// <summary>Finds the class that an open generic class becomes when it is used through one of its contracts.</summary>
internal static class OpenGenericTypes
{
    /// <summary>
    /// <c>Handler&lt;T&gt; : IHandler&lt;T&gt;</c> for <c>IHandler&lt;Order&gt;</c> is <c>Handler&lt;Order&gt;</c>. The definition
    /// itself where the contract does not determine all arguments, null where it is not a contract of the class.
    /// </summary>
    public static Type? Close(Type definition, Type contract)
    {
        foreach (Type declared in contract.IsInterface ? definition.GetInterfaces() : Bases(definition))
        {
            Type?[] arguments = new Type?[definition.GetGenericArguments().Length];
            if (Matches(declared, contract, arguments))
            {
                return Array.TrueForAll(arguments, a => a is not null) ? TryMake(definition, arguments!) : definition;
            }
        }

        return null;
    }

    public static IEnumerable<Type> Bases(Type type)
    {
        for (Type? current = type; current is not null; current = current.BaseType)
        {
            yield return current;
        }
    }

    private static bool Matches(Type declared, Type actual, Type?[] arguments)
    {
        if (declared.IsGenericParameter)
        {
            ref Type? argument = ref arguments[declared.GenericParameterPosition];
            argument ??= actual;
            return argument == actual;
        }

        if (!declared.ContainsGenericParameters)
        {
            return declared == actual;
        }

        if (declared.HasElementType)
        {
            return actual.HasElementType && declared.Name.EndsWith(']') == actual.Name.EndsWith(']')
                && Matches(declared.GetElementType()!, actual.GetElementType()!, arguments);
        }

        return actual.IsGenericType && actual.GetGenericTypeDefinition() == declared.GetGenericTypeDefinition()
            && declared.GenericTypeArguments.Zip(actual.GenericTypeArguments).All(pair => Matches(pair.First, pair.Second, arguments));
    }

    private static Type? TryMake(Type definition, Type[] arguments)
    {
        try
        {
            return definition.MakeGenericType(arguments);
        }
        catch (ArgumentException)
        {
            return null; // A constraint excludes it: another class implements this one.
        }
    }
}
