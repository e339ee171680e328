#pragma warning disable IDE0130 // Several folders in one file.
namespace JobLocking.Tests.HouseRules.Sample
{
    public static class PublicRootType
    {
        public static void Run() => Third.UsesTheRoot.Run();
    }

    internal static class InternalRootType
    {
        public static void Run()
        {
        }
    }
}

namespace JobLocking.Tests.HouseRules.Sample.Third
{
    internal static class UsesTheRoot
    {
        public static void Run()
        {
            PublicRootType.Run();
            InternalRootType.Run();
        }
    }
}
