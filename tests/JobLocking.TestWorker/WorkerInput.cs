using System.Threading.Channels;

namespace JobLocking.TestWorker;

/// <summary>
/// The commands that the test sends to this process, one a line. A thread of its own reads the lines: reading Console.In blocks,
/// and the thread pool has two threads on a small machine.
/// </summary>
internal static class WorkerInput
{
    private static readonly ChannelReader<string> Lines = Read();

    /// <summary>The next line; null when the test has closed the input.</summary>
    public static async Task<string?> NextCommandAsync() => await Lines.WaitToReadAsync() && Lines.TryRead(out string? line) ? line : null;

    private static ChannelReader<string> Read()
    {
        Channel<string> lines = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true });
        new Thread(() =>
        {
            while (Console.In.ReadLine() is { } line)
            {
                lines.Writer.TryWrite(line);
            }

            lines.Writer.Complete();
        })
        { IsBackground = true, Name = "commands" }.Start();
        return lines.Reader;
    }
}
