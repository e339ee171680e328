using System.Reflection;
using System.Runtime.CompilerServices;

namespace JobLocking.Policy;

/// <summary>The assemblies of this process that use JobLocking. A process loads more of them while it runs.</summary>
internal static class LoadedAssemblies
{
    private static readonly string Ours = typeof(TaskLockAttribute).Assembly.GetName().Name!;

    // Weak: this table must not keep a plug-in from being unloaded.
    private static readonly ConditionalWeakTable<Assembly, StrongBox<bool>> Uses = [];

    private static int _loads;

    static LoadedAssemblies() => AppDomain.CurrentDomain.AssemblyLoad += static (_, _) => Interlocked.Increment(ref _loads);

    /// <summary>How many assemblies were loaded since the first call: while it stays the same, no job can have appeared.</summary>
    public static int Loads => Volatile.Read(ref _loads);

    /// <summary>Loads what the entry assembly references, since a job may be declared there and not be used yet.</summary>
    public static void LoadReferences()
    {
        HashSet<string> loaded = [.. AppDomain.CurrentDomain.GetAssemblies().Select(a => a.FullName!)];
        foreach (AssemblyName reference in Assembly.GetEntryAssembly()?.GetReferencedAssemblies() ?? [])
        {
            if (!loaded.Contains(reference.FullName))
            {
                TryLoad(reference);
            }
        }
    }

    /// <summary>The loaded assemblies that use JobLocking.</summary>
    public static IReadOnlyList<Assembly> ThatUseJobLocking() =>
        [.. AppDomain.CurrentDomain.GetAssemblies().Where(a => Uses.GetValue(a, static a => new StrongBox<bool>(References(a))).Value)];

    private static bool References(Assembly assembly) =>
        !assembly.IsDynamic && assembly.GetReferencedAssemblies().Any(r => r.Name == Ours);

    private static void TryLoad(AssemblyName name)
    {
        try
        {
            Assembly.Load(name);
        }
        catch (Exception e) when (e is IOException or BadImageFormatException)
        {
            // A reference that is not shipped: what needs it fails with a better message than ours.
        }
    }
}
