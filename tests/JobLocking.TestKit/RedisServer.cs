using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace JobLocking.TestKit;

/// <summary>A real redis-server process of its own on a free loopback port, without persistence.</summary>
public sealed class RedisServer : IAsyncDisposable
{
    private const int Attempts = 5;

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    private readonly string[] _arguments;

    private readonly string _directory;

    private readonly bool _hasOwnClock;

    // A sentinel keeps what it learns in its file: the first argument of the program.
    private readonly string? _sentinelFile;

    private readonly StringBuilder _output = new();

    private Process? _process;

    private RedisServer(string[] arguments, bool hasOwnClock, string? sentinel = null)
    {
        _arguments = arguments;
        _hasOwnClock = hasOwnClock;
        _directory = Directory.CreateTempSubdirectory("joblocking-redis-").FullName;
        if (sentinel is not null)
        {
            _sentinelFile = Path.Combine(_directory, "sentinel.conf");
            File.WriteAllText(_sentinelFile, sentinel);
        }

        AppDomain.CurrentDomain.ProcessExit += OnProcessExit;
    }

    /// <summary>Stays the same after <see cref="RestartAsync"/>.</summary>
    public int Port { get; private set; }

    /// <summary><c>127.0.0.1:port</c>.</summary>
    public string Endpoint => $"127.0.0.1:{Port}";

    /// <summary>For StackExchange.Redis and <c>UseRedis</c>.</summary>
    public string ConnectionString => Endpoint;

    /// <summary>Starts a server and waits until it answers.</summary>
    /// <param name="arguments">Further arguments, for example <c>--maxmemory 2mb</c>, which override the defaults.</param>
    public static Task<RedisServer> StartAsync(params string[] arguments) => StartAsync(new RedisServer(arguments, hasOwnClock: false));

    /// <summary>Starts a server whose wall clock can be set with <see cref="SetClock"/>. Its monotonic clock is the machine's.</summary>
    /// <param name="arguments">Further arguments.</param>
    public static Task<RedisServer> StartWithOwnClockAsync(params string[] arguments) => StartAsync(new RedisServer(arguments, hasOwnClock: true));

    /// <summary>Starts a sentinel. It remembers what it has learned when it is restarted.</summary>
    /// <param name="configuration">Its file.</param>
    /// <param name="arguments">Further arguments.</param>
    public static Task<RedisServer> StartSentinelAsync(string configuration, params string[] arguments) =>
        StartAsync(new RedisServer(arguments, hasOwnClock: false, configuration));

    private static async Task<RedisServer> StartAsync(RedisServer server)
    {
        server.SetClock(TimeSpan.Zero);
        try
        {
            for (int attempt = 1; ; attempt++)
            {
                server.Port = FreePort.Next();
                try
                {
                    await server.LaunchAsync();
                    return server;
                }
                catch (InvalidOperationException) when (attempt < Attempts && server.HasBadPort)
                {
                    // Another process has taken the port meanwhile; or a member of a cluster also needs a port that is 10000 higher.
                }
            }
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Freezes the process: connections stay open and nothing is answered.</summary>
    public void Pause() => Signals.Stop(Running);

    /// <summary>Lets a frozen process continue.</summary>
    public void Resume() => Signals.Continue(Running);

    /// <summary>Sets the wall clock of a server that has one of its own.</summary>
    /// <param name="ahead">How far ahead of the machine's clock; behind it if less than zero.</param>
    public void SetClock(TimeSpan ahead)
    {
        // Replaced in one step: the server reads the file whenever it reads its clock.
        string next = $"{ClockFile}.next";
        File.WriteAllText(next, string.Create(CultureInfo.InvariantCulture, $"{ahead.TotalSeconds:+0.######;-0.######;+0}\n"));
        File.Move(next, ClockFile, overwrite: true);
    }

    /// <summary>Kills the process; its data is gone.</summary>
    public async Task KillAsync()
    {
        if (_process is { } process)
        {
            _process = null;
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }

    /// <summary>Kills the process if it still runs, and starts an empty one on the same port.</summary>
    public async Task RestartAsync()
    {
        await KillAsync();
        await LaunchAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnProcessExit;
        await KillAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private bool HasBadPort =>
        Output.Contains("Address already in use", StringComparison.Ordinal) || Output.Contains("port number too high", StringComparison.Ordinal);

    private string ClockFile => Path.Combine(_directory, "clock");

    /// <summary>What it has logged since its last start.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    private async Task LaunchAsync()
    {
        lock (_output)
        {
            _output.Clear();
        }

        ProcessStartInfo start = new("redis-server")
        {
            ArgumentList = { "--port", $"{Port}", "--bind", "127.0.0.1", "--dir", _directory, "--save", "", "--appendonly", "no" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (_sentinelFile is not null)
        {
            start.ArgumentList.Insert(0, _sentinelFile);
            start.ArgumentList.Add("--sentinel");
        }

        foreach (string argument in _arguments)
        {
            start.ArgumentList.Add(argument);
        }

        if (_hasOwnClock)
        {
            // libc's allocator in place of jemalloc's, which reads the time before libfaketime is ready.
            start.Environment["LD_PRELOAD"] = $"{FakeTime()}:libc.so.6";
            start.Environment["FAKETIME_TIMESTAMP_FILE"] = ClockFile;
            start.Environment["FAKETIME_NO_CACHE"] = "1";
            start.Environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1";
            start.Environment["DONT_FAKE_MONOTONIC"] = "1";
        }

        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new InvalidOperationException(
                "These tests need a redis-server on the PATH and found none. Fix: install Redis, for instance with 'apt-get install redis-server'.", error);
        }

        _process = process;
        process.OutputDataReceived += OnOutput;
        process.ErrorDataReceived += OnOutput;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();

        long began = Stopwatch.GetTimestamp();
        while (!await AnswersAsync())
        {
            if (process.HasExited || Stopwatch.GetElapsedTime(began) > StartTimeout)
            {
                await KillAsync();
                throw new InvalidOperationException($"redis-server on port {Port} does not answer. Its output:\n{Output}");
            }

            await Task.Delay(5);
        }

        // A foreign server on the same port would have answered in its place.
        if (process.HasExited)
        {
            await KillAsync();
            throw new InvalidOperationException($"redis-server on port {Port} has ended. Its output:\n{Output}");
        }
    }

    private static string FakeTime() =>
        Directory.EnumerateDirectories("/usr", "lib*").Where(Directory.Exists)
            .SelectMany(lib => Directory.EnumerateFiles(lib, "libfaketime.so.1", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 2, IgnoreInaccessible = true }))
            .FirstOrDefault()
        ?? throw new InvalidOperationException(
            "These tests set the clock of a redis-server with libfaketime and found none below /usr/lib. Fix: install it, for instance with 'apt-get install libfaketime'.");

    private async Task<bool> AnswersAsync()
    {
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(2));
        try
        {
            using TcpClient client = new();
            await client.ConnectAsync(IPAddress.Loopback, Port, patience.Token);
            NetworkStream stream = client.GetStream();
            await stream.WriteAsync("PING\r\n"u8.ToArray(), patience.Token);
            byte[] reply = new byte[64];
            int length = await stream.ReadAsync(reply, patience.Token);
            string answer = Encoding.ASCII.GetString(reply, 0, length);
            return answer.StartsWith("+PONG", StringComparison.Ordinal) || answer.StartsWith("-NOAUTH", StringComparison.Ordinal);
        }
        catch (Exception error) when (error is SocketException or IOException or OperationCanceledException)
        {
            return false;
        }
    }

    private void OnOutput(object sender, DataReceivedEventArgs line)
    {
        lock (_output)
        {
            _output.AppendLine(line.Data);
        }
    }

    private void OnProcessExit(object? sender, EventArgs e) => _process?.Kill();

    /// <summary>Whether its process runs, frozen or not.</summary>
    public bool IsRunning => _process is not null;

    private Process Running => _process ?? throw new InvalidOperationException("The server does not run.");
}
