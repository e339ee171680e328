#pragma warning disable IDE0130 // Several folders in one file.
namespace JobLocking.Tests.HouseRules.Sample.First
{
    internal sealed class CallsSecond
    {
        public static async Task RunAsync()
        {
            await Task.Yield();
            Second.IsCalled.Run();
        }
    }
}

namespace JobLocking.Tests.HouseRules.Sample.Second
{
    internal static class IsCalled
    {
        public static void Run()
        {
        }
    }

    internal static class CallsFirst
    {
        public static Func<Task> Run(int times) => () => times > 0 ? First.CallsSecond.RunAsync() : Task.CompletedTask;
    }
}
