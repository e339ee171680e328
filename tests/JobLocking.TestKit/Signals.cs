using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace JobLocking.TestKit;

/// <summary>The signals that freeze a process, let it continue, and end it.</summary>
public static class Signals
{
    private const int QuitSignal = 3;

    private static readonly int StopSignal = OperatingSystem.IsMacOS() ? 17 : 19;

    private static readonly int ContinueSignal = OperatingSystem.IsMacOS() ? 19 : 18;

    /// <summary>Freezes a process: its connections stay open and it does nothing.</summary>
    public static void Stop(Process process) => Send(process, StopSignal);

    /// <summary>Lets a frozen process continue.</summary>
    public static void Continue(Process process) => Send(process, ContinueSignal);

    /// <summary>Ends a process at once, but lets it clean up what it would leave behind if it were killed.</summary>
    public static void Quit(Process process) => Send(process, QuitSignal);

    private static void Send(Process process, int signal)
    {
        ArgumentNullException.ThrowIfNull(process);
        if (Kill(process.Id, signal) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int process, int signal);
}
