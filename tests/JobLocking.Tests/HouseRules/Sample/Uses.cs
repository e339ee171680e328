#pragma warning disable IDE0130 // Several folders in one file.
#pragma warning disable CA1812, CA1823, CS0649, CS0169, IDE0044, IDE0051, IDE0060 // Nothing here runs: it is read from the assembly.
using JobLocking.Tests.HouseRules.Sample.Used;

namespace JobLocking.Tests.HouseRules.Sample.Used
{
    internal interface IUsed;

    internal struct UsedValue;

    internal class UsedClass
    {
        public static int Field;

        public static T? Make<T>() => default;
    }

    internal sealed class UsedException : Exception;

    [AttributeUsage(AttributeTargets.All)]
    internal sealed class UsedAttribute : Attribute;
}

namespace JobLocking.Tests.HouseRules.Sample.User
{
    internal sealed class Derives : UsedClass;

    internal sealed class Implements : IUsed;

    internal sealed class Constrains<T>
        where T : IUsed;

    internal sealed class HasAField
    {
        private readonly List<UsedValue[]>? _field;
    }

    internal static class HasAParameter
    {
        public static void Run(in UsedValue? value)
        {
        }
    }

    internal static class Returns
    {
        public static UsedClass? Run() => null;
    }

    internal static class HasALocal
    {
        public static int Run()
        {
            Span<UsedValue> local = default;
            return local.Length;
        }
    }

    internal static class Creates
    {
        public static object Run() => new UsedClass();
    }

    internal static class Casts
    {
        public static bool Run(object value) => value is IUsed;
    }

    internal static class ReadsAField
    {
        public static int Run() => UsedClass.Field;
    }

    internal static class CallsAGenericMethod
    {
        public static int Run() => Array.Empty<UsedValue>().Length;
    }

    internal static class Catches
    {
        public static void Run()
        {
            try
            {
                GC.KeepAlive(null);
            }
            catch (UsedException)
            {
            }
        }
    }

    internal static class AsksForTheType
    {
        public static Type Run() => typeof(UsedClass);
    }

    [Used]
    internal static class IsDecorated;

    internal static class HasADecoratedParameter
    {
        public static void Run([Used] int value)
        {
        }
    }

    internal static class UsesInAClosure
    {
        public static Func<object> Run(int value) => () => value > 0 ? UsedClass.Make<int>() : value;
    }

    internal static class UsesInAnIterator
    {
        public static IEnumerable<int> Run()
        {
            yield return UsedClass.Field;
        }
    }

    internal static class UsesAfterASwitch
    {
        public static int Run(int value) => value switch { 0 => 7, 1 => 1, 2 => 5, 3 => 3, 4 => 9, _ => UsedClass.Field };
    }
}
