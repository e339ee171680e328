using Hangfire;
using Hangfire.Logging;

namespace JobLocking.Hangfire;

/// <summary>
/// What a storage says of its options at the start of a server: the only way to them that needs no reference to its package.
/// </summary>
internal static class StorageOptions
{
    /// <summary>
    /// Whether the storage could keep a running job invisible for as long as its server lives, and is not told to. Hangfire.PostgreSql is
    /// the only one of which we know.
    /// </summary>
    public static bool CouldSlide(JobStorage storage)
    {
        Lines log = new();
        try
        {
            storage.WriteOptionsToLog(log);
        }
#pragma warning disable CA1031 // Code of a storage; this is only advice.
        catch (Exception)
#pragma warning restore CA1031
        {
            return false;
        }

        return log.Contains("sliding invisibility timeout: False");
    }

    private sealed class Lines : ILog
    {
        private readonly List<string> _lines = [];

        public bool Contains(string text) => _lines.Exists(line => line.Contains(text, StringComparison.OrdinalIgnoreCase));

        public bool Log(LogLevel logLevel, Func<string>? messageFunc, Exception? exception = null)
        {
            if (messageFunc is not null)
            {
                _lines.Add(messageFunc());
            }

            return true;
        }
    }
}
