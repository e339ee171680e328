using System.Diagnostics;
using System.Text;

namespace JobLocking.TestKit;

/// <summary>A real PostgreSQL of its own on a free loopback port, which does not flush its data to the disk.</summary>
/// <remarks>The server refuses to run as root: a root process starts it as the user <c>postgres</c>, which its package creates.</remarks>
public sealed class PostgresServer : IAsyncDisposable
{
    private const int Attempts = 5;

    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(1);

    private readonly StringBuilder _output = new();
    private readonly string _directory;
    private Process? _process;

    private PostgresServer()
    {
        _directory = Directory.CreateTempSubdirectory("joblocking-postgres-").FullName;
        if (!OperatingSystem.IsWindows())
        {
            // The user that the server runs as creates a directory of its own in it.
            File.SetUnixFileMode(_directory, (UnixFileMode)0b111_111_111);
        }

        AppDomain.CurrentDomain.ProcessExit += OnProcessExit;
    }

    /// <summary>The port on the loopback address.</summary>
    public int Port { get; private set; }

    /// <summary>For Npgsql, with the rights of the superuser in an empty database.</summary>
    public string ConnectionString => $"Host=127.0.0.1;Port={Port};Username=postgres;Database=postgres;Maximum Pool Size=90";

    /// <summary>Starts a server and waits until it answers.</summary>
    public static async Task<PostgresServer> StartAsync()
    {
        PostgresServer server = new();
        try
        {
            await server.RunAsync("initdb", "-D", server.Data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").WaitAsync(StartTimeout);
            for (int attempt = 1; ; attempt++)
            {
                server.Port = FreePort.Next();
                try
                {
                    await server.LaunchAsync();
                    return server;
                }
                catch (InvalidOperationException) when (attempt < Attempts && server.Says("Address already in use"))
                {
                    // Another process has taken the port meanwhile.
                }
            }
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnProcessExit;
        await StopAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private string Data => Path.Combine(_directory, "data");

    /// <summary>Debian keeps the server's programs in a folder for each version.</summary>
    private static string Find(string program)
    {
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Concat(Folders("/usr/lib/postgresql", "bin")).Concat(Folders("/usr/libexec", "")).Concat(Folders("/usr/lib", "bin"));
        return folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException(
                $"These tests need {program} of PostgreSQL and found none. Fix: install its server, for instance with 'apt-get install postgresql'.");
    }

    private static IEnumerable<string> Folders(string below, string inside) =>
        Directory.Exists(below) ? Directory.EnumerateDirectories(below).OrderDescending().Select(folder => Path.Combine(folder, inside)) : [];

    private Process Start(string program, params string[] arguments)
    {
        // setpriv replaces itself by the program, so that killing its process kills the program.
        string[] asUser = Environment.IsPrivilegedProcess ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", Find(program)] : [Find(program)];
        ProcessStartInfo start = new(asUser[0], [.. asUser[1..], .. arguments])
        {
            WorkingDirectory = _directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process process = Process.Start(start)!;
        process.OutputDataReceived += OnOutput;
        process.ErrorDataReceived += OnOutput;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private async Task RunAsync(string program, params string[] arguments)
    {
        using Process process = Start(program, arguments);
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} has failed. Its output:\n{Output}");
        }
    }

    private async Task LaunchAsync()
    {
        lock (_output)
        {
            _output.Clear();
        }

        _process = Start(
            "postgres", "-D", Data, "-p", $"{Port}", "-h", "127.0.0.1", "-k", "", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "max_connections=100");
        long began = Stopwatch.GetTimestamp();
        while (!Says("ready to accept connections"))
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(began) > StartTimeout)
            {
                await StopAsync();
                throw new InvalidOperationException($"PostgreSQL on port {Port} does not answer. Its output:\n{Output}");
            }

            await Task.Delay(5);
        }
    }

    private async Task StopAsync()
    {
        if (_process is { } process)
        {
            _process = null;

            if (!process.HasExited)
            {
                // If it were killed, its shared memory would remain forever.
                Signals.Quit(process);
                await process.WaitForExitAsync().WaitAsync(StartTimeout);
            }

            process.Dispose();
        }
    }

    private bool Says(string text) => Output.Contains(text, StringComparison.Ordinal);

    private string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    private void OnOutput(object sender, DataReceivedEventArgs line)
    {
        lock (_output)
        {
            _output.AppendLine(line.Data);
        }
    }

    private void OnProcessExit(object? sender, EventArgs e)
    {
        if (_process is { HasExited: false } process)
        {
            Signals.Quit(process);
        }
    }
}
