using System.Threading.Channels;

namespace JobLocking.TestWorker;

/// <summary>
/// What the test tells this process, a line for each command. A thread of its own reads the lines: Console.In blocks whoever
/// reads it, and the thread pool has two threads on a small machine.
/// </summary>
internal static class Commands
{
    private static readonly ChannelReader<string> Lines = Read();

    /// <summary>The next line; null when the test has closed the input.</summary>
    public static async Task<string?> NextAsync() => await Lines.WaitToReadAsync() && Lines.TryRead(out string? line) ? line : null;

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
