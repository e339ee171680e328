using System.Collections.Concurrent;
using System.Diagnostics;

namespace JobLocking.TestKit;

/// <summary>A worker process, and the facts that it has reported.</summary>
public sealed class WorkerProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _facts = new();

    private WorkerProcess(Process process) => _process = process;

    public IReadOnlyCollection<string> Facts => _facts;

    public bool WasKilled { get; private set; }

    /// <summary>Starts JobLocking.TestWorker.</summary>
    public static Task<WorkerProcess> StartAsync(params string[] arguments) =>
        RunAsync(Path.Combine(AppContext.BaseDirectory, "JobLocking.TestWorker.dll"), arguments);

    /// <summary>Starts a program and waits until it has said <c>ready</c>.</summary>
    public static async Task<WorkerProcess> RunAsync(string program, params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", [program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        WorkerProcess worker = new(Process.Start(start)!);
        worker._process.OutputDataReceived += worker.Hear;
        worker._process.ErrorDataReceived += worker.Hear;
        worker._process.BeginOutputReadLine();
        worker._process.BeginErrorReadLine();
        await worker.SaysAsync("ready");
        return worker;
    }

    /// <summary>Waits until the worker has written a line with this beginning; fails at once if the worker ended without it.</summary>
    public async Task<string> SaysAsync(string fact)
    {
        string? said = await Eventually.SeesAsync(
            () => _facts.FirstOrDefault(f => f.StartsWith(fact, StringComparison.Ordinal)) ?? (_process.HasExited ? "exited" : null),
            line => line is not null,
            TimeSpan.FromSeconds(60),
            $"worker says '{fact}'");
        return said != "exited" ? said! : throw new InvalidOperationException($"The worker ended without saying '{fact}':\n{string.Join('\n', _facts)}");
    }

    public bool HasSaid(string fact) => _facts.Any(f => f.StartsWith(fact, StringComparison.Ordinal));

    public int Count(string fact) => _facts.Count(f => f.StartsWith(fact, StringComparison.Ordinal));

    /// <summary>Ignores what the worker has reported so far.</summary>
    public void Forget() => _facts.Clear();

    public void Tell(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    public void Freeze() => Signals.Stop(_process);

    public void Thaw() => Signals.Continue(_process);

    public async Task KillAsync()
    {
        WasKilled = true;
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Closes the input of the worker, which ends the process.</summary>
    public void EndInput() => _process.StandardInput.Close();

    public async Task<int> EndsAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(120));
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
    }

    private void Hear(object sender, DataReceivedEventArgs line)
    {
        if (line.Data is { } fact)
        {
            _facts.Enqueue(fact);
        }
    }
}
