using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace JobLocking.TestKit;

/// <summary>Waits for a fact instead of for time. Throws at its time-out, with what it last saw.</summary>
public static class Eventually
{
    /// <summary>
    /// Generous on purpose: only a failing test waits for all of it. Where tests are meant to fail, as in tests/mutants.sh, it is
    /// shortened.
    /// </summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("JOBLOCKING_TESTS_PATIENCE"), NumberStyles.None, CultureInfo.InvariantCulture, out int seconds) ? seconds : 30);

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(5);

    /// <summary>Waits until a condition is true.</summary>
    public static Task IsTrueAsync(Func<bool> condition, TimeSpan? timeout = null, [CallerArgumentExpression(nameof(condition))] string fact = "") =>
        SeesAsync(() => Task.FromResult(condition()), seen => seen, timeout, fact);

    /// <summary>Waits until a condition is true.</summary>
    public static Task IsTrueAsync(Func<Task<bool>> condition, TimeSpan? timeout = null, [CallerArgumentExpression(nameof(condition))] string fact = "") =>
        SeesAsync(condition, seen => seen, timeout, fact);

    /// <summary>Reads a value until it is as expected, and returns it.</summary>
    public static Task<T> SeesAsync<T>(
        Func<T> look, Func<T, bool> expected, TimeSpan? timeout = null, [CallerArgumentExpression(nameof(expected))] string fact = "") =>
        SeesAsync(() => Task.FromResult(look()), expected, timeout, fact);

    /// <summary>Reads a value until it is as expected, and returns it. An exception means that it is not there yet.</summary>
    public static async Task<T> SeesAsync<T>(
        Func<Task<T>> look, Func<T, bool> expected, TimeSpan? timeout = null, [CallerArgumentExpression(nameof(expected))] string fact = "")
    {
        TimeSpan patience = timeout ?? DefaultTimeout;
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            string saw;
            Exception? threw = null;
            try
            {
                // A read that hangs must not outlive the time-out either.
                T seen = await look().WaitAsync(patience + Pace);
                if (expected(seen))
                {
                    return seen;
                }

                saw = seen?.ToString() ?? "null";
            }
            catch (Exception error)
            {
                saw = $"{error.GetType().Name}: {error.Message}";
                threw = error;
            }

            if (Stopwatch.GetElapsedTime(began) >= patience)
            {
                throw new TimeoutException($"Not within {patience.TotalSeconds:0.#} s: {fact}. Last seen: {saw}", threw);
            }

            await Task.Delay(Pace);
        }
    }
}
